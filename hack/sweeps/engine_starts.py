"""Start commands in vLLM itself as far as a machine without a GPU can; run by a Python with vLLM, not the project's.

    python hack/sweeps/engine_starts.py CASES.jsonl ANSWERS.jsonl

The parent (`hack/sweeps/vllm-starts`) puts a folder with `boot.py` on the path: a module that makes vLLM believe in a
GPU of `boot.CC`. Each case holds a config, flags of ``EngineArgs``, and the GPU. In a process of its own vLLM's
configuration is made (all its validators run), then the model is built with few layers: every ``divide``,
``create_weights`` and choice of a kernel or attention backend runs on tensors without memory. An answer is null or the
error.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import traceback
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

LAYERS_KEPT = 8
PER_LAYER = (
    "num_kv_shared_layers",
    "hybrid_override_pattern",
    "per_layer_config",
    "hybrid_layer_pattern",
    "moe_layer_freq",
)
"""Fields that depend on the number of layers otherwise than by one entry a layer."""
SECONDS = 240


def main() -> int:
    import boot

    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    preload(cases)
    key = itemgetter("config", "capability")
    with Path(sys.argv[2]).open("a", encoding="utf-8") as answers:
        for _, group in itertools.groupby(sorted(cases, key=key), key=key):
            left = list(group)
            while left:
                left = left[ask(boot, left, answers) :]
    return 0


def preload(cases: list[dict[str, Any]]) -> None:
    """Import once what every child would import."""
    from vllm.model_executor.layers import quantization
    from vllm.model_executor.models.registry import ModelRegistry

    names = {name for case in cases for name in json.loads(Path(case["config"]).read_text()).get("architectures", ())}
    modules = ["vllm.v1.worker.gpu_worker", "vllm.v1.worker.gpu_model_runner", "vllm.v1.attention.selector"]
    modules += [model.module_name for name in names if hasattr(model := ModelRegistry.models.get(name), "module_name")]
    for backend in ("flash_attn", "triton_attn", "flashinfer", "flex_attention"):
        modules.append(f"vllm.v1.attention.backends.{backend}")
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for method in quantization.QUANTIZATION_METHODS:
        with contextlib.suppress(Exception):
            quantization.get_quantization_config(method)
    print("ready", flush=True)
    gc.collect()
    gc.freeze()


def ask(boot: Any, cases: list[dict[str, Any]], answers: TextIO) -> int:
    """Ask cases of one config and GPU in one child; how many were answered, at least one."""
    answers.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        for case in cases:
            answer = json.dumps({"id": case["id"], **started(boot, case)})
            os.write(writer, answer.encode() + b"\n")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    os.waitpid(child, 0)
    answers.writelines(f"{line}\n" for line in lines)
    if len(lines) == len(cases):
        return len(cases)
    died = {"id": cases[len(lines)]["id"], "stage": "process", "error": "the process died or took too long", "at": ""}
    answers.write(json.dumps(died) + "\n")
    return len(lines) + 1


def started(boot: Any, case: dict[str, Any]) -> dict[str, Any]:
    """{"stage", "error", "at"}; the error is null where vLLM refuses nothing."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    pretend(boot, case)
    folder = Path(tempfile.mkdtemp())
    stage = "configuration"
    try:
        config = json.loads(Path(case["config"]).read_text(encoding="utf-8"))
        config.pop("auto_map", None)
        cut(config)
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        made = configuration(str(folder), case["flags"])
        stage = "model"
        build(boot, made)
    except BaseException as error:
        return {"stage": stage, "error": f"{type(error).__name__}: {error}"[:1500], "at": where(error)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        apart(boot)
    return {"stage": stage, "error": None, "at": ""}


def apart(boot: Any) -> None:
    """Take the groups of ranks down again, so that the next case can make its own."""
    import vllm.distributed.parallel_state as state

    for take_down in (state.destroy_model_parallel, state.destroy_distributed_environment):
        with contextlib.suppress(Exception):
            take_down()
    with contextlib.suppress(Exception):
        boot.dist.destroy_process_group()
    gc.collect()


def pretend(boot: Any, case: dict[str, Any]) -> None:
    """Make the simulated GPU the one of the case."""
    boot.CC = tuple(case["capability"])
    boot.NAME, boot.TOTAL = case["gpu"], case["bytes"]
    boot.Props.major, boot.Props.minor = boot.CC
    boot.Props.total_memory, boot.Props.name = boot.TOTAL, boot.NAME
    boot.torch.cuda.get_device_capability = lambda *_: boot.CC
    boot.torch.cuda.get_device_name = lambda *_: boot.NAME
    large = {7: 65536, 8: 101376 if boot.CC[1] else 166912, 9: 232448, 10: 232448, 12: 101376}
    boot.Props.shared_memory_per_block_optin = large.get(boot.CC[0], 101376)


def cut(config: dict[str, Any]) -> None:
    """Fewer layers, where nothing else depends on their number."""
    for key in ("text_config", "llm_config", "language_config", "thinker_config", "vision_config"):
        if isinstance(config.get(key), dict):
            cut(config[key])
    count = config.get("num_hidden_layers")
    if not isinstance(count, int) or count <= LAYERS_KEPT or any(config.get(key) for key in PER_LAYER):
        return
    config["num_hidden_layers"] = LAYERS_KEPT
    for key, value in config.items():
        if isinstance(value, list) and len(value) == count:
            config[key] = value[:LAYERS_KEPT]


def configuration(folder: str, flags: dict[str, Any]) -> Any:
    """``EngineArgs(...).create_engine_config()``."""
    from vllm.engine.arg_utils import EngineArgs

    if flags.get("tensor_parallel_size", 1) > 1:
        flags = {**flags, "distributed_executor_backend": "external_launcher", "disable_custom_all_reduce": True}
    arguments = EngineArgs(model=folder, skip_tokenizer_init=True, load_format="dummy", **flags)
    return arguments.create_engine_config()


def build(boot: Any, config: Any) -> None:
    """Build the model as rank 0 of the size does."""
    import vllm.distributed.parallel_state as state
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.model_loader.utils import initialize_model
    from vllm.utils.torch_utils import set_default_torch_dtype

    size = config.parallel_config.tensor_parallel_size
    boot.dist.init_process_group("fake", rank=0, world_size=size, store=boot.FakeStore())
    if size > 1:
        without_collectives()
    state.in_the_same_node_as = lambda *_a, **_k: [True] * size
    device = boot.torch.device("cuda:0")
    object.__setattr__(config.device_config, "device", device)
    with contextlib.suppress(AttributeError):
        config.kernel_config.ir_op_priority.set_default()
    with set_current_vllm_config(config), boot.MODE:
        state.init_distributed_environment(
            world_size=size, rank=0, local_rank=0, distributed_init_method="", backend="fake"
        )
        named = {"backend": "fake"} if "backend" in state.initialize_model_parallel.__code__.co_varnames else {}
        state.initialize_model_parallel(size, 1, **named)
        with set_default_torch_dtype(config.model_config.dtype), device:
            initialize_model(vllm_config=config)


def without_collectives() -> None:
    """No NCCL, no shared memory between ranks that do not exist."""
    from vllm.distributed.device_communicators import pynccl
    from vllm.distributed.device_communicators import shm_broadcast as broadcast

    def init(self: Any, *_a: Any, **_k: Any) -> None:
        self.disabled, self.available, self.world_size, self.rank = True, False, 2, 0

    pynccl.PyNcclCommunicator.__init__ = init
    broadcast.MessageQueue.create_from_process_group = staticmethod(lambda *_a, **_k: None)


def where(error: BaseException) -> str:
    """The innermost frame of vLLM, or the innermost at all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/vllm/" in frame.filename] or frames
    return " < ".join(
        f"{frame.filename.rsplit('/vllm/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(own[-3:])
    )


if __name__ == "__main__":
    sys.exit(main())
