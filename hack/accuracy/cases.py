"""The published start-ups as cases the budget can be asked about: flags resolved, model and GPU found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from recorded.recorded_startups import settings_of
from vlm_operator.capacity.startup import Budget, startup_budget
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.engine.defaults import DeviceTraits, ModelTraits, resolve
from vlm_operator.engine.encoder_rules import reckoned_tokens_per_encoded
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.tower_traits import PLAIN_TOWER
from vlm_operator.engine.version import OLDEST_KNOWN, EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts, Platform
from vlm_operator.gpu.platform import on_platform
from vlm_operator.model.facts import (
    AttentionCache,
    DType,
    FamilyTraits,
    LayerRun,
    MixtureOfExperts,
    ModelFacts,
    Quantization,
    StateCache,
    StateKind,
    TextFacts,
    VisionTower,
)
from vlm_operator.model.multimodal import read_vision_tower
from vlm_operator.model.registry import by_architecture
from vlm_operator.model.weights.quantization import NVFP4
from vlm_operator.planning.resolution import resolved
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One published start-up."""

    row: dict[str, Any]
    model: ModelFacts
    gpu: GPUFacts
    version: EngineVersion
    settings: EngineSettings
    encoder: EncoderRun | None
    weights_bytes: int

    @property
    def id(self) -> str:
        """As in the data."""
        return str(self.row["id"])

    @property
    def known_version(self) -> EngineVersion:
        """The release whose rules apply: an older one than the oldest known is answered with that one's."""
        return max(self.version, OLDEST_KNOWN)

    @property
    def kv_bytes(self) -> int:
        """Available KV cache memory as printed."""
        return int(self.row["printed"]["kv_gib"] * GIB)

    @property
    def is_warm(self) -> bool:
        """Whether the compile cache was filled; where nobody said, it was not: most publish their first start."""
        return self.row.get("compile_cache") == "warm"

    def expected_bytes(self, budget: Budget) -> int:
        """The KV cache that ``budget`` predicts for a start with this state of the compile cache."""
        return budget.kv_cache_warm_bytes if self.is_warm else budget.kv_cache_bytes

    def printed(self, name: str) -> float | None:
        """A printed figure, GiB."""
        value = self.row["printed"].get(name)
        return None if value is None else float(value)


def rows() -> list[dict[str, Any]]:
    """Every start-up of the data."""
    return [json.loads(line) for line in (FOLDER / "startups.jsonl").read_text().splitlines()]


def cases() -> list[Case]:
    """Start-ups whose flags, GPU and model are known."""
    return [case_of(row) for row in rows() if "excluded" not in row]


def case_of(row: dict[str, Any]) -> Case:
    model = model_of(row["dimensions"], row.get("quantization"))
    gpu = on_platform(find_gpu(row["gpu"]), Platform(row.get("platform", Platform.LINUX)))
    version = EngineVersion.parse(row.get("planned_as") or row["vllm"])
    settings = resolve(settings_of(row["flags"]), version, traits_of(model), device_of(gpu), row.get("usage", "serve"))
    encoder = None
    if model.vision is not None and "encoder" in row and not settings.language_model_only:
        seen = row["encoder"]
        reckoned = seen.get("tokens_per_item") or seen["budget_tokens"] // seen["items"]
        encoder = EncoderRun(
            modality=seen["modality"],
            items=seen["items"],
            tokens_per_item=reckoned,
            budget_tokens=seen["budget_tokens"],
            encoded_tokens_per_item=int(
                reckoned
                / reckoned_tokens_per_encoded(
                    timestamps=model.vision.deepstack_levels > 0, modality=seen["modality"], version=version
                )
            ),
        )
    if encoder is None and model.vision is not None:
        settings = settings.with_(language_model_only=True)
    return Case(row, model, gpu, version, settings, encoder, int(row["printed"]["weights_gib"] * GIB))


def end_to_end(case: Case) -> tuple[float | None, str]:
    """KV cache predicted from the catalogue's model alone, GiB; or None and why not."""
    name = str(case.row.get("catalogue") or case.row["model"])
    try:
        model = load_model(name, offline=True)
        given = settings_of(case.row["flags"])
        if case.row.get("usage") == "offline":
            given = given.with_(max_num_batched_tokens=case.settings.max_num_batched_tokens)
        settings = resolved(given, model, case.gpu, case.version)
        return case.expected_bytes(startup_budget(model, case.gpu, settings, case.known_version)) / GIB, ""
    except VlmOperatorError as error:
        return None, error.message


def traits_of(model: ModelFacts) -> ModelTraits:
    return ModelTraits(
        architecture=model.architecture,
        derived_max_model_len=model.derived_max_model_len,
        mixture_of_experts=model.text.experts is not None,
        hybrid=any(isinstance(run.cache, StateCache) for run in model.cache_layers),
        quantized=model.quantization is not None,
        pooling=model.pooling,
    )


def device_of(gpu: GPUFacts) -> DeviceTraits:
    return DeviceTraits(gpu.nvml_total_bytes or gpu.total_bytes, gpu.device_name, gpu.compute_capability)


@lru_cache(maxsize=64)
def model_of(key: str, quantization: str | None = None) -> ModelFacts:
    """A model from the dimensions that the data holds (own form; read from the publishers' config.json).

    Args:
        quantization: ``nvfp4``, or None for what the dimensions say.
    """
    facts = _dimensions()[key]
    text = facts["text"]
    experts = facts.get("experts")
    caches = [LayerRun(text["layers"], AttentionCache(text["kv_heads"], text["head_size"], text["head_size"]))]
    if state := facts.get("state"):
        caches.append(
            LayerRun(
                state["layers"],
                StateCache(
                    StateKind.GATED_DELTA_NET,
                    intermediate_size=state["channels"],
                    groups=state["key_heads"],
                    heads=state["heads"],
                    head_size=state["head_size"],
                    state_size=state["key_size"],
                    conv_kernel=state["kernel"],
                ),
            )
        )
    vision = facts.get("vision")
    architecture, model_type = facts["architecture"], facts["model_type"]
    of_class = (
        read_vision_tower(
            {"architectures": [architecture], "model_type": model_type, "vision_config": {"hidden_act": "gelu"}}
        )
        if vision
        else None
    )
    known = by_architecture(architecture)
    return ModelFacts(
        model=key,
        architecture=architecture,
        model_type=model_type,
        dtype=DType.BFLOAT16,
        derived_max_model_len=facts["context"],
        text=TextFacts(
            layers=text["layers"],
            hidden_size=text["hidden"],
            intermediate_size=text["mlp"],
            vocab_size=text["vocabulary"],
            attention_heads=text["heads"],
            kv_heads=text["kv_heads"],
            head_size=text["head_size"],
            tie_word_embeddings=False,
            experts=MixtureOfExperts(
                experts["count"], experts["per_token"], experts["mlp"], experts["shared_mlp"], text["layers"]
            )
            if experts
            else None,
        ),
        cache_layers=tuple(caches),
        weights=None,
        quantization=_quantization(quantization, facts.get("weight_bits")),
        vision=VisionTower(
            layers=vision["layers"],
            hidden_size=vision["hidden"],
            intermediate_size=vision["mlp"],
            attention_heads=vision["heads"],
            patch_size=vision["patch"],
            merge_size=vision["merge"],
            output_size=vision["output"],
            deepstack_levels=vision["deepstack"],
            traits=of_class.traits if of_class else PLAIN_TOWER,
            frames=of_class.frames if of_class else 1,
        )
        if vision
        else None,
        pooling=facts.get("pooling", False),
        traits=known.family.traits(prefix_attention=False) if known else FamilyTraits(),
    )


def _quantization(name: str | None, weight_bits: int | None) -> Quantization | None:
    if name is not None:
        return _QUANTIZATIONS[name]
    return Quantization("quantised", weight_bits) if weight_bits is not None else None


_QUANTIZATIONS = {"nvfp4": NVFP4}


@lru_cache(maxsize=1)
def _dimensions() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "models.json").read_text())
    return loaded
