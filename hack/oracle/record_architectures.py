"""Record what vLLM builds of small models: bytes of weights, and the KV cache; run by a Python that has vLLM.

    python hack/oracle/record_architectures.py CASES.jsonl RECORDED.jsonl

A case is ``{"id", "config", "flags"}``. As for ``record_kv.py``, a folder with ``boot.py``, which simulates a GPU, is
on PYTHONPATH. The model is built on tensors without memory; parameters and buffers are added up, views of one storage
once. Config classes that only a checkpoint's own code has are stood in for by one that keeps every field, sections as
objects. Lines are ``{"id", "bytes", "cache"}``, or ``{"id", "error"}`` where vLLM does not build the model.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sweeps"))

import engine_starts
import record_kv

LENGTHS = (1, 1000, 2048, 8192, 32768)


def main() -> int:
    import boot

    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    with Path(sys.argv[2]).open("a", encoding="utf-8") as recorded:
        for case in cases:
            recorded.flush()
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                with os.fdopen(writer, "w") as pipe:
                    pipe.write(json.dumps(row(boot, case)))
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as pipe:
                text = pipe.read()
            os.waitpid(child, 0)
            recorded.write((text or json.dumps({"id": case["id"], "error": "the process died"})) + "\n")
    return 0


def row(boot: Any, case: dict[str, Any]) -> dict[str, Any]:
    """What vLLM builds and plans for one case."""
    engine_starts.pretend(boot, record_kv.HOPPER)
    folder = tempfile.mkdtemp()
    try:
        keep_unknown_configs(case["config"]["model_type"])
        Path(folder, "config.json").write_text(json.dumps(case["config"]), encoding="utf-8")
        flags = {"max_num_batched_tokens": 2048, "async_scheduling": False, "max_num_seqs": 64, "enforce_eager": True}
        asked = record_kv.Asked.__new__(record_kv.Asked)
        asked.config = engine_starts.configuration(folder, {**flags, **case.get("flags", {})})
        with boot.MODE:
            found = {"id": case["id"], "bytes": stored_bytes(built(boot, asked.config))}
            asked._plan()
            return {**found, "cache": cache(asked)}
    except BaseException as error:
        text = f"{type(error).__name__}: {str(error)[:300]} {engine_starts.where(error)}"
        return {"id": case["id"], "error": text}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def built(boot: Any, config: Any) -> Any:
    """The model as rank 0 builds it."""
    from vllm.model_executor.model_loader import utils

    made: list[Any] = []
    initialize = utils.initialize_model

    def kept(*args: Any, **more: Any) -> Any:
        made.append(initialize(*args, **more))
        return made[-1]

    utils.initialize_model = kept
    engine_starts.build(boot, config)
    return made[-1]


def stored_bytes(model: Any) -> int:
    """Bytes of parameters and buffers."""
    storages = {}
    for _, tensor in [*model.named_parameters(), *model.named_buffers()]:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage.nbytes()
    return sum(storages.values())


def cache(asked: record_kv.Asked) -> dict[str, Any]:
    """The fields of ``cache`` in ``tests/data/architectures.jsonl``."""
    lengths = [length for length in LENGTHS if length <= asked.maximum]
    return {
        "groups": asked.kinds(),
        "bytes_per_block": asked.bytes_per_block,
        "needed_bytes": {str(length): asked.needed(length) for length in lengths},
        "max_model_len": asked.maximum,
    }


def keep_unknown_configs(model_type: str) -> None:
    """Register a config class that keeps every field, where transformers has none of this type."""
    from transformers import AutoConfig, PretrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    def section(values: dict[str, Any]) -> Any:
        if values.get("model_type") in CONFIG_MAPPING:
            return CONFIG_MAPPING[values["model_type"]](**values)
        config = PretrainedConfig(**values)
        for name, value in values.items():
            setattr(config, name, value)
        return config

    class Kept(PretrainedConfig):
        def __init__(self, **values: Any) -> None:
            sections = {name: values.pop(name) for name in list(values) if name.endswith("_config")}
            super().__init__(**values)
            for name, value in sections.items():
                setattr(self, name, section(value) if isinstance(value, dict) else value)

    if model_type not in CONFIG_MAPPING:
        Kept.model_type = model_type
        AutoConfig.register(model_type, Kept)


if __name__ == "__main__":
    sys.exit(main())
