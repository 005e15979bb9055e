"""Models and GPUs for tests of the start-up budget, with dimensions that are easy to reckon with."""

from __future__ import annotations

from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.engine.defaults import DeviceTraits, ModelTraits, resolve
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts, MemoryKind
from vlm_operator.model.facts import (
    PLAIN_FAMILY,
    AttentionCache,
    DType,
    FamilyTraits,
    LayerRun,
    MixtureOfExperts,
    ModelFacts,
    Quantization,
    TextFacts,
    VisionTower,
)
from vlm_operator.units import GIB

TOWER = VisionTower(
    layers=27,
    hidden_size=1152,
    intermediate_size=4304,
    attention_heads=16,
    patch_size=16,
    merge_size=2,
    output_size=4096,
)
IMAGE = EncoderRun("image", items=1, tokens_per_item=16384, budget_tokens=16384, encoded_tokens_per_item=16384)
EXPERTS = MixtureOfExperts(experts=128, experts_per_token=8, intermediate_size=768, layers=48)


def model(
    *,
    vision: VisionTower | None = None,
    experts: MixtureOfExperts | None = None,
    vocab_size: int = 128256,
    pooling: bool = False,
    model_type: str = "qwen3_vl",
    traits: FamilyTraits = PLAIN_FAMILY,
    quantization: Quantization | None = None,
    cache_layers: tuple[LayerRun, ...] | None = None,
) -> ModelFacts:
    """An 8B-like text model, with a tower or experts where asked."""
    return ModelFacts(
        model="test/model",
        architecture="TestForConditionalGeneration",
        model_type=model_type,
        dtype=DType.BFLOAT16,
        derived_max_model_len=131072,
        text=TextFacts(
            layers=experts.layers if experts else 32,
            hidden_size=4096,
            intermediate_size=14336,
            vocab_size=vocab_size,
            attention_heads=32,
            kv_heads=8,
            head_size=128,
            tie_word_embeddings=False,
            experts=experts,
        ),
        cache_layers=cache_layers or (LayerRun(32, AttentionCache(kv_heads=8, head_size=128, value_head_size=128)),),
        weights=None,
        quantization=quantization,
        vision=vision,
        pooling=pooling,
        traits=traits,
    )


def gpu(total_gib: float = 80, **facts: object) -> GPUFacts:
    """A data-centre GPU of that size."""
    plain = GPUFacts(
        product="NVIDIA-TEST",
        total_bytes=int(total_gib * GIB),
        nvml_total_bytes=int(total_gib * GIB),
        compute_capability=(9, 0),
        memory_kind=MemoryKind.HBM,
        device_name="NVIDIA TEST",
    )
    return plain.with_(**facts)


def resolved(release: str, of: ModelFacts, on: GPUFacts, **flags: object) -> tuple[EngineSettings, EngineVersion]:
    """Flags as vLLM would resolve them, and the release."""
    version = EngineVersion.parse(release)
    traits = ModelTraits(of.architecture, of.derived_max_model_len, mixture_of_experts=of.text.experts is not None)
    device = DeviceTraits(on.total_bytes, on.device_name, on.compute_capability)
    return resolve(EngineSettings(**flags), version, traits, device), version  # type: ignore[arg-type]
