"""Facts derived from a name: how near they come to checkpoints that were read, and how sure a plan on them is."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.weights.weight_bytes import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.errors import SourceUnavailable, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.model.facts import Linear, ModelFacts
from vlm_operator.model.upload_schemes import named_uploads
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import catalogue, load_model
from vlm_operator.sources.derived import derive

QUANTISED = [
    entry
    for entry in catalogue.entries().values()
    if entry.quantization is not None
    and any(catalogue.named(f"{upload.base}{end}") for upload in named_uploads(entry.id) for end in ("", "-BF16"))
]
"""Checkpoints whose name says from which entry of the catalogue they are quantised, and how."""

OTHERWISE = {
    "openbmb/MiniCPM-V-4.6-AWQ": (0.40, 0.55),  # its vision tower is quantised too
    "nvidia/Qwen3.6-27B-NVFP4": (0.35, 0.50),  # MIXED_PRECISION: FP8 attention, 4-bit head
    "nvidia/Qwen3.8-27B-NVFP4": (0.35, 0.50),
    "nvidia/Qwen3.6-35B-A3B-NVFP4": (0.05, 0.15),
}
"""Checkpoints whose uploader did not do what their tool does by default, and how far off that is."""


def weights(facts: ModelFacts) -> int:
    return weight_bytes(facts, EngineSettings(), DEFAULT).total


def derived(name: str) -> ModelFacts:
    facts = derive(name)
    assert facts is not None, name
    return facts


@pytest.mark.parametrize("entry", QUANTISED, ids=lambda entry: entry.id)
def test_derived_weights_are_near_those_that_were_read(entry: catalogue.CatalogueEntry) -> None:
    facts = derived(entry.id)
    assert entry.weights_bytes is not None
    error = weights(facts) / entry.weights_bytes - 1
    lowest, highest = OTHERWISE.get(entry.id, (-0.03, 0.09))
    assert lowest <= error <= highest, f"{error:+.1%}"


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen2.5-VL-7B-Instruct-AWQ",
        "Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
        "QuantTrio/Qwen3-VL-30B-A3B-Instruct-AWQ",
        "Qwen/Qwen3-32B-AWQ",
        "Qwen/Qwen3-8B-FP8",
        "Qwen/Qwen3-30B-A3B-FP8",
        "Qwen/Qwen3-235B-A22B-FP8",
        "nvidia/Llama-3.1-70B-Instruct-FP8",
        "ybelkada/llava-1.5-7b-hf-awq",
    ],
)
def test_defaults_of_the_tool_give_the_read_weights_to_the_byte(name: str) -> None:
    entry = catalogue.find(name)
    assert entry is not None
    assert weights(derived(name)) == entry.weights_bytes


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("unsloth/gemma-3-27b-it-bnb-4bit", "google/gemma-3-27b-it"),
        ("RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-dynamic", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("cyankiwi/Qwen3-VL-30B-A3B-Instruct-AWQ-4bit", "Qwen/Qwen3-VL-30B-A3B-Instruct"),
        ("REDHATAI/GEMMA-3-27B-IT-QUANTIZED.W4A16", "google/gemma-3-27b-it"),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
        ("huihui-ai/Huihui-Qwen3-VL-8B-Instruct-abliterated", "Qwen/Qwen3-VL-8B-Instruct"),
        ("someone/Qwen3-VL-8B-Instruct-abliterated-AWQ", "Qwen/Qwen3-VL-8B-Instruct"),
    ],
)
def test_offline_an_upload_is_its_base_and_scheme_and_says_so(name: str, base: str) -> None:
    facts = load_model(name, offline=True)
    assert facts.model == name
    assert facts.derived is not None
    assert facts.derived.startswith(base)
    assert "the checkpoint's own config was not read" in facts.derived
    assert facts.source.startswith(f"derived: {base}")
    of_base = load_model(base, offline=True)
    assert facts.cache_layers == of_base.cache_layers
    assert facts.multimodal == of_base.multimodal


@pytest.mark.parametrize("name", ["unsloth/Qwen3-VL-8B-Instruct", "unsloth/gpt-oss-20b"])
def test_an_unchanged_copy_is_certain_and_names_what_it_is_a_copy_of(name: str) -> None:
    facts = load_model(name, offline=True)
    assert facts.derived is None
    assert facts.source.startswith("derived: a copy of ")
    original = catalogue.named(name.partition("/")[2])[0]
    assert weights(facts) == original.weights_bytes


def test_the_tower_stays_unquantised_where_the_tool_leaves_it() -> None:
    def quantised_towers(name: str) -> set[bool]:
        modules = derived(name).weights or ()
        return {module.quantizable for module in modules if isinstance(module, Linear) and ".blocks." in module.name}

    assert quantised_towers("RedHatAI/Qwen3-VL-8B-Instruct-FP8-dynamic") == {False}
    assert quantised_towers("unsloth/Qwen3-VL-8B-Instruct-bnb-4bit") == {True}


def test_a_cache_in_fp8_is_not_assumed() -> None:
    base = catalogue.find("nvidia/Qwen3-235B-A22B-NVFP4")
    assert base is not None
    assert catalogue.load(base).kv_cache_dtype is not None
    assert derived("nvidia/Qwen3-235B-A22B-NVFP4").kv_cache_dtype is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("unsloth/Qwen3-VL-30B-A3B-Instruct-bnb-4bit", "routed experts"),
        ("unsloth/gpt-oss-20b-unsloth-bnb-4bit", "itself published in mxfp4"),
    ],
)
def test_what_does_not_follow_from_the_base_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(UnknownFact, match=why) as caught:
        load_model(name, offline=True)
    assert "config.json" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "name",
    [
        "owner/never-heard-of-AWQ",
        "mlx-community/gemma-3-27b-it-4bit",
        "unsloth/gemma-3-27b-it-GGUF",
        "someone/Qwen3-VL-8B-Instruct",  # quantised or trained anew under the old name, for all that is known
    ],
)
def test_a_name_that_says_no_known_base_and_scheme_stays_unknown(name: str) -> None:
    with pytest.raises(SourceUnavailable):
        load_model(name, offline=True)


def test_a_revision_or_overrides_are_not_answered_from_a_name() -> None:
    name = "RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-dynamic"
    with pytest.raises(SourceUnavailable):
        load_model(name, offline=True, revision="main")
    with pytest.raises(SourceUnavailable):
        load_model(name, offline=True, hf_overrides={"max_position_embeddings": 1})


# --- plans ----------------------------------------------------------------------------------------------------------


def planned(name: str, card: str) -> Plan:
    return plan(load_model(name, offline=True), find_gpu(card), Intent(gpu_count=1))


def test_a_plan_on_derived_facts_is_never_certain_and_says_how_to_make_it_so() -> None:
    found = planned("RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-dynamic", "H100")
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.MODEL_DERIVED)
    assert found.budget is not None
    assert "Qwen/Qwen2.5-VL-7B-Instruct x dynamic FP8" in found.message
    assert "vlmctl models add" in (found.hint or "")


def test_a_plan_that_does_not_fit_says_too_that_it_rests_on_derived_facts() -> None:
    found = planned("RedHatAI/Qwen2.5-VL-72B-Instruct-FP8-dynamic", "L4")
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert "derived: Qwen/Qwen2.5-VL-72B-Instruct x dynamic FP8" in found.message


def test_a_plan_for_an_unchanged_copy_is_as_certain_as_the_originals() -> None:
    copy, original = planned("unsloth/Qwen3-VL-8B-Instruct", "H100"), planned("Qwen/Qwen3-VL-8B-Instruct", "H100")
    assert original.verdict is Verdict.FITS
    assert (copy.verdict, copy.settings) == (original.verdict, original.settings)
