"""Release, GPU, model and flags of a published start-up, each known or refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion, require_known
from vlm_operator.engine.weight_rules import mxfp4_kernel_elsewhere
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_model

PLAIN_FLAGS = {
    "gpu_memory_utilization",
    "max_model_len",
    "max_num_batched_tokens",
    "max_num_seqs",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "enable_expert_parallel",
    "kv_cache_dtype",
    "block_size",
    "enforce_eager",
    "enable_prefix_caching",
    "language_model_only",
    "limit_mm_per_prompt",
    "runner",
}


FROM_A_PACKAGE_INDEX = {"vllm-27508-gptoss120b-h100"}
"""Start-ups of vLLM installed with pip, not from its image (its traceback lies in a conda environment): before 0.12
without ``triton_kernels``, which decide how the experts of gpt-oss are laid out."""


def weights_of(row: dict[str, Any], model: ModelFacts, settings: EngineSettings, gpu: GPUFacts) -> int | None:
    """Weights where the installation lays them out in another way than vLLM's image; else None."""
    version = release_of(row["vllm_version"])
    kernel = mxfp4_kernel_elsewhere(version, gpu.compute_capability)
    if row["id"] not in FROM_A_PACKAGE_INDEX or kernel is None:
        return None
    return weight_bytes(model, settings, version, gpu.compute_capability, kernel).total


def kind_of(row: dict[str, Any]) -> str:
    version, gpu, others = str(row.get("vllm_version")), str(row.get("gpu")), json.dumps(row["flags"].get("others"))
    if "AMD" in gpu or "rocm" in row["id"].lower():
        return "AMD"
    if "GB10" in gpu:
        return "unified memory"
    if re.search(r"gilded|frontier|^0\.1\.dev|backport", version) or "fork" in str(row.get("notes", "")).lower():
        return "fork"
    return "speculative" if "speculative" in others else "stock"


def release_of(text: str | None) -> EngineVersion:
    match = re.match(r"(\d+\.\d+(?:\.\d+)?)", text or "")
    if match is None:
        raise UnknownFact("release is not stated")
    return require_known(EngineVersion.parse(match[1]))


def gpu_of(row: dict[str, Any]) -> GPUFacts:
    name = re.sub(r"\(.*?\)", "", row.get("gpu") or "").strip()
    if not name or "unknown" in name.lower() or "class" in name.lower():
        raise UnknownFact("product is not named")
    return find_gpu(name)


def model_of(name: str | None, configs: Path | None) -> ModelFacts:
    if not name:
        raise UnknownFact("model is not named")
    short = name.split()[0].removeprefix("<path>/")
    if configs is not None:
        tail = short.rpartition("/")[2].lower()
        for path in sorted(configs.glob("*.json")):
            if path.stem.lower() in {short.replace("/", "--").lower(), tail} or path.stem.lower().endswith("--" + tail):
                return load_model(str(path))
    model = load_model(short, offline=True)
    if model.derived is not None and model.quantization is not None:
        raise UnknownFact(f"the weights of {short} are derived from its name")
    return model


def flags_of(row: dict[str, Any]) -> EngineSettings:
    flags = {key: value for key, value in row["flags"].items() if key in PLAIN_FLAGS and value is not None}
    others = row["flags"].get("others")
    if isinstance(others, dict):
        flags |= {key: value for key, value in others.items() if key in PLAIN_FLAGS and value is not None}
        if isinstance(others.get("mm_processor_kwargs"), dict):
            flags["mm_processor_kwargs"] = others["mm_processor_kwargs"]
    printed = row["observed"].get("max_num_batched_tokens_printed")
    if printed is None and (match := re.search(r"max_num_batched_tokens=(\d+)", str(others))):
        printed = int(match[1])
    if printed:
        flags.setdefault("max_num_batched_tokens", printed)
    return settings_of(flags)


def settings_of(flags: dict[str, Any]) -> EngineSettings:
    """Flags as a record holds them: limits and processor arguments are JSON objects there."""
    given = dict(flags)
    if isinstance(limits := given.pop("limit_mm_per_prompt", None), dict):
        given["limit_mm_per_prompt"] = tuple(
            (modality, ModalityLimit(**limit) if isinstance(limit, dict) else ModalityLimit(limit))
            for modality, limit in sorted(limits.items())
        )
    if isinstance(given.get("mm_processor_kwargs"), dict):
        given["mm_processor_kwargs"] = json.dumps(given["mm_processor_kwargs"], sort_keys=True)
    return EngineSettings(**given)
