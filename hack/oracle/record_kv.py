"""Record what vLLM 0.33's own functions answer about KV caches; run by a Python that has vLLM, not the project's.

    python hack/oracle/record_kv.py CASES.jsonl RECORDED.jsonl
    python hack/oracle/record_kv.py --like ORACLE.jsonl CONFIGS RECORDED.jsonl

The first form reads lines of `tests/data/kv_cache` (a config, flags) and writes their ids and new answers; the second
reads lines of `kv-capacity.jsonl` and the configs of their models, and writes lines that `hack/oracle/check` reads. A
folder with `boot.py`, which simulates a GPU, is on PYTHONPATH, as for `hack/sweeps/vllm-starts`. The model is built on
a device without memory, then the engine core's own order is kept: the layers' specs, the block size, the layout, the
groups, the check. Two rules depend on the GPU (gated delta nets): the answers are those of compute capability 9.0.
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

GIB = 2**30
GROUP = ("kind", "layers", "block_size", "page_size_bytes")
HOPPER = {"capability": [9, 0], "gpu": "NVIDIA H100 80GB HBM3", "bytes": 85_017_755_648}


def main() -> int:
    import boot

    like = sys.argv[1] == "--like"
    lines = Path(sys.argv[2 if like else 1]).read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines if line.strip()]
    from vllm.v1.worker import gpu_model_runner  # noqa: F401 - once, for every child

    with Path(sys.argv[-1]).open("a", encoding="utf-8") as recorded:
        for case in cases:
            recorded.flush()
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                with os.fdopen(writer, "w") as pipe:
                    pipe.write(json.dumps(row(boot, case, Path(sys.argv[3]) if like else None)))
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as pipe:
                text = pipe.read()
            os.waitpid(child, 0)
            if text and text != "null":
                recorded.write(text + "\n")
    return 0


def row(boot: Any, case: dict[str, Any], configs: Path | None) -> dict[str, Any] | None:
    """The case with what vLLM answers; None, and a line on stderr, where vLLM does not build the model."""
    engine_starts.pretend(boot, HOPPER)
    name = case.get("id") or f"{case['model']} tp {case['tensor_parallel_size']} {case['kv_cache_dtype']}"
    try:
        if configs is None:
            flags = {"max_num_batched_tokens": 2048, "async_scheduling": False, **case.get("flags", {})}
            if case.get("hf_overrides"):
                flags["hf_overrides"] = case["hf_overrides"]
            asked = Asked(boot, case["config"], flags)
            answered = asked.short(case["expected"])
            return {"id": case["id"], "compute_capability": HOPPER["capability"], "expected": answered}
        config = json.loads((configs / f"{case['model']}.json").read_text(encoding="utf-8"))
        if case["quantization_removed"]:
            config.pop("quantization_config", None)
            config.get("text_config", {}).pop("quantization_config", None)
        flags = {
            "max_num_batched_tokens": 2048,
            "async_scheduling": False,
            "tensor_parallel_size": case["tensor_parallel_size"],
            "kv_cache_dtype": case["kv_cache_dtype"],
        }
        return Asked(boot, config, flags).long(case)
    except BaseException as error:
        print(
            f"{name}: {type(error).__name__}: {str(error)[:300]} {engine_starts.where(error)}",
            file=sys.stderr,
            flush=True,
        )
        return None


class Asked:
    """One model under some flags, and what vLLM's functions say of its KV cache."""

    def __init__(self, boot: Any, config: dict[str, Any], flags: dict[str, Any]) -> None:
        config.pop("auto_map", None)
        folder = tempfile.mkdtemp()
        try:
            Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
            self.config = engine_starts.configuration(folder, {"max_num_seqs": 64, "enforce_eager": True, **flags})
            with boot.MODE:
                engine_starts.build(boot, self.config)
                self._plan()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _plan(self) -> None:
        from vllm.config import set_current_vllm_config
        from vllm.platforms import current_platform
        from vllm.v1.core import kv_cache_planning as planning
        from vllm.v1.core.kv_cache_config_builder import get_kv_cache_config_builder
        from vllm.v1.core.kv_cache_utils import generate_scheduler_kv_cache_config, get_kv_cache_capacity
        from vllm.v1.core.single_type_kv_cache_manager import register_all_kvcache_specs

        self._planning, self._scheduler, self._capacity = (
            planning,
            generate_scheduler_kv_cache_config,
            get_kv_cache_capacity,
        )
        with set_current_vllm_config(self.config):
            current_platform.update_block_size_for_backend(self.config)
            self.config.validate_block_size()
            register_all_kvcache_specs(self.config)
            self.specs = specs_of(self.config)
            self.config.cache_config.kv_cache_layout = "LBNHC"
            self._builder = get_kv_cache_config_builder(self.config)
            self.groups = planning.get_global_kv_cache_groups(self.config, [self.specs])

    @property
    def bytes_per_block(self) -> int:
        """Bytes of one block of the pool."""
        if not self.groups:
            return 0
        return self._planning._pool_bytes_per_block_from_builder(self._builder, self.config, self.groups)

    @property
    def maximum(self) -> int:
        """The context that vLLM derives."""
        return int(self.config.model_config.max_model_len)

    def needed(self, length: int) -> int:
        """Bytes that one request of the length takes."""
        kept, self.config.model_config.max_model_len = self.maximum, length
        try:
            return self._planning._max_memory_usage_bytes_from_groups(self._builder, self.config, self.groups)
        finally:
            self.config.model_config.max_model_len = kept

    def container(self, size: int) -> tuple[int, int, int, float]:
        """(blocks, longest context that starts, tokens that are logged, concurrency) of that many bytes."""
        longest = self._planning._estimate_max_model_len_from_groups(
            self._builder, self.config, self.groups, size - self.bytes_per_block
        )
        kept, self.config.model_config.max_model_len = self.maximum, max(1, longest)
        try:
            made = self._planning.get_kv_cache_configs(self.config, [self.specs], [size], self.groups)
            tokens, concurrency = self._capacity(self.config, self._scheduler(made))
        finally:
            self.config.model_config.max_model_len = kept
        return made[0].num_blocks, longest, tokens, concurrency

    def kinds(self) -> list[list[Any]]:
        """[kind, layers, block size, page] of each group."""
        return [
            [kind_of(group.kv_cache_spec), len(group.layer_names), group.kv_cache_spec.block_size, page_of(group)]
            for group in self.groups
        ]

    def short(self, before: dict[str, Any]) -> dict[str, Any]:
        """The fields of ``tests/data/kv_cache``."""
        return {
            "dtype": str(self.config.model_config.dtype).removeprefix("torch."),
            "max_model_len": self.maximum,
            "groups": self.kinds(),
            "bytes_per_block": self.bytes_per_block,
            "needed_bytes": {length: self.needed(int(length)) for length in before["needed_bytes"]},
            "by_gib": {gib: list(self.container(int(float(gib) * GIB))[:3]) for gib in before["by_gib"]},
        }

    def long(self, case: dict[str, Any]) -> dict[str, Any]:
        """The fields of ``kv-capacity.jsonl``."""
        containers = {}
        for gib in case["by_kv_cache_gib"]:
            try:
                blocks, longest, tokens, concurrency = self.container(int(float(gib) * GIB))
            except ValueError:  # nothing starts in so little
                continue
            containers[gib] = {
                "num_blocks": blocks,
                "estimated_max_model_len": longest,
                "capacity_tokens": tokens,
                "concurrency_at_estimated_len": concurrency,
            }
        keys = ("model", "tensor_parallel_size", "kv_cache_dtype", "quantization_removed")
        return {
            **{key: case[key] for key in keys},
            "vllm": "0.33.0",
            "compute_capability": HOPPER["capability"],
            "block_size": self.config.cache_config.block_size,
            "dtype": str(self.config.model_config.dtype),
            "derived_max_model_len": self.maximum,
            "weight_bytes": None,
            "kv_layers": case["kv_layers"],
            "kv_groups": [
                dict(zip(("kind", "layers", "block_size", "page_size_bytes"), group, strict=True))
                for group in self.kinds()
            ],
            "bytes_per_block": self.bytes_per_block,
            "needed_bytes_by_max_model_len": {
                length: self.needed(int(length)) for length in case["needed_bytes_by_max_model_len"]
            },
            "by_kv_cache_gib": containers,
        }


def specs_of(config: Any) -> dict[str, Any]:
    """``GPUModelRunner.get_kv_cache_spec`` without the runner."""
    from vllm.config import get_layers_from_vllm_config
    from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase
    from vllm.v1.kv_cache_interface import AttentionSpec
    from vllm.v1.worker.utils import customize_attention_spec

    specs: dict[str, Any] = {}
    for name, layer in get_layers_from_vllm_config(config, AttentionLayerBase).items():
        if getattr(layer, "kv_sharing_target_layer_name", None):
            continue
        spec = layer.get_kv_cache_spec(config)
        if spec is None:
            continue
        specs[name] = (
            customize_attention_spec(layer.get_attn_backend(), spec) if isinstance(spec, AttentionSpec) else spec
        )
    return specs


def kind_of(spec: Any) -> str:
    """``FullAttention`` of ``FullAttentionSpec``."""
    return type(spec).__name__.removesuffix("Specs").removesuffix("Spec").removesuffix("KVCache")


def page_of(group: Any) -> int:
    """Bytes of one block of one layer, padded."""
    return int(group.kv_cache_spec.page_size_bytes)


if __name__ == "__main__":
    sys.exit(main())
