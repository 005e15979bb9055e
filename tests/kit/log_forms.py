"""Forms of a vLLM log line: what containers, orchestrators and loggers put around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

ORDINARY: Final = (
    "(APIServer pid=1) INFO 11-23 22:02:53 [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(APIServer pid=1) INFO 11-23 22:02:53 [launcher.py:195] Route: /v1/completions, Methods: POST",
    "(EngineCore pid=2) INFO 11-23 22:03:13 [torch_utils.py:295] Reducing Torch threads from 2 to 1 for serving.",
    "(APIServer pid=1) WARNING 11-23 22:02:53 [system_utils.py:255] Found ulimit of 20000 and failed to increase it",
    "(EngineCore pid=2) INFO 11-23 22:03:14 [gpu_model_runner.py:5196] Starting to load model /models/m...",
    "/usr/lib/python3.12/site-packages/vllm/x.py:138: FutureWarning: `a` is deprecated, please use `b` instead",
    "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:01<00:03,  1.10s/it]",
    "(Worker_TP0 pid=3) INFO 11-23 22:03:15 [parallel_state.py:2350] rank 0 in world size 2 is assigned as DP rank 0",
)
"""Lines of a start that goes well."""


def prefixed(text: str, prefix: str) -> str:
    """``text`` with ``prefix`` on each of its lines."""
    return "\n".join(prefix + line for line in text.split("\n"))


def _json_record(text: str) -> str:
    trace = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: {text}'
    return json.dumps({"levelname": "ERROR", "message": "EngineCore failed to start.", "exc_info": trace})


def _docker(text: str) -> str:
    return json.dumps({"log": text + "\n", "stream": "stderr", "time": "2025-11-23T22:03:13Z"})


def _collected(key: str, **also: object) -> Callable[[str], str]:
    """A collector keeps each line, as it was printed, under ``key``."""
    return lambda text: "\n".join(json.dumps({key: line, **also}) for line in text.split("\n"))


def _framed(text: str) -> str:
    return "\n".join(f"│ {line:<160} │" for line in text.split("\n"))


def _pydantic(text: str) -> str:
    head = "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig"
    return f"{head}\n  Value error, {text} [type=value_error, input_value=ArgsKwargs((), {{}})]"


FORMS: Final[dict[str, Callable[[str], str]]] = {
    "alone": lambda text: text,
    "exception": lambda text: f"ValueError: {text}",
    "record": lambda text: prefixed(text, "(EngineCore_DP0 pid=42) ERROR 11-23 22:03:13 [core.py:1510] "),
    "worker": lambda text: prefixed(
        text, "(EngineCore pid=2) (Worker_TP1 pid=43) ERROR 11-23 22:03:13 [executor.py:9] "
    ),
    "record before 0.8": lambda text: prefixed(text, "ERROR 12-20 20:25:46 worker.py:241] "),
    "coloured": lambda text: prefixed(
        text,
        "\x1b[1;36m(EngineCore pid=7)\x1b[0;0m \x1b[31mERROR\x1b[0m 11-23 22:03:13 [\x1b[90mcore.py:1510\x1b[0m] ",
    ),
    "containerd": lambda text: prefixed(text, "2025-11-23T22:03:13.123456789Z stderr F "),
    "Docker Compose": lambda text: prefixed(text, "vllm-1  | "),
    "Docker Compose record": lambda text: prefixed(
        text, "vllm-1  | (EngineCore pid=2) ERROR 11-23 22:03:13 [core.py:1510] "
    ),
    "kubectl": lambda text: prefixed(text, "[pod/qwen-7f9c/vllm] 2025-11-23T22:03:13.123456789Z "),
    "journald": lambda text: prefixed(text, "Nov 23 22:03:13 node-1 vllm[4242]: "),
    "Ray": lambda text: (
        prefixed(
            text, "\x1b[36m(RayWorkerWrapper pid=99, ip=192.0.2.7)\x1b[0m ERROR 11-23 22:03:13 [worker_base.py:1] "
        )
        + " [repeated 3x across cluster]"
    ),
    "torchrun": lambda text: prefixed(text, "[rank0]: "),
    "logging module": lambda text: prefixed(text, "2025-11-23 22:03:13,123 - vllm.v1.engine.core - ERROR - "),
    "JSON lines": _json_record,
    "Docker JSON": _docker,
    "Fluent Bit": _collected("log", kubernetes={"container_name": "vllm"}),
    "Vector": _collected("message", stream="stderr", source_type="kubernetes_logs"),
    "Google Cloud": _collected("textPayload", severity="INFO", timestamp="2025-11-23T22:03:13.123456Z"),
    "Google Cloud export": lambda text: prefixed(
        text, "INFO 2025-11-23T22:03:13.123456789Z [resource.labels.containerName: vllm] "
    ),
    "logcli": lambda text: prefixed(text, '2025-11-23T22:03:13Z {app="vllm", pod="vllm-7f9c"} '),
    "tabs": lambda text: prefixed(text, "2025-11-23T22:03:13.123Z\t"),
    "terminal's frame": _framed,
    "pydantic": _pydantic,
    "carriage returns": lambda text: f"Loading: 10%\rLoading: 90%\rValueError: {text}\r",
    "buried": lambda text: "\n".join([*(ORDINARY * 125), text, *(ORDINARY * 125)]),
}
"""Name of a form to what it makes of a sentence; ``buried`` puts it into 2,000 lines of ordinary log."""
