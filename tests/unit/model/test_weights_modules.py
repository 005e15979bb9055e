"""Which parameters a config describes; what is refused instead of guessed."""

from typing import Any

import pytest

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import Component, Linear, TextFacts
from vlm_operator.model.weights import read_weight_modules
from vlm_operator.model.weights.families import LANGUAGE_MODELS, LANGUAGE_OF_MODEL_TYPE
from vlm_operator.model.weights.rotary import rotary_elements

TEXT = TextFacts(
    layers=2,
    hidden_size=64,
    intermediate_size=128,
    vocab_size=100,
    attention_heads=4,
    kv_heads=2,
    head_size=16,
    tie_word_embeddings=False,
)
LLAMA: dict[str, Any] = {"model_type": "llama", "max_position_embeddings": 512}


def names(config: dict[str, Any], architecture: str = "LlamaForCausalLM") -> set[str]:
    return {module.name for module in read_weight_modules(LLAMA | config, architecture, TEXT)}


def linear(config: dict[str, Any], name: str) -> Linear:
    modules = read_weight_modules(LLAMA | config, "LlamaForCausalLM", TEXT)
    return next(module for module in modules if isinstance(module, Linear) and module.name.endswith(name))


def test_names_are_vllms_so_that_lists_of_exceptions_find_them() -> None:
    assert {
        "model.embed_tokens",
        "model.layers.{}.self_attn.q_proj",
        "model.layers.{}.mlp.down_proj",
        "lm_head",
    } <= names({})


@pytest.mark.parametrize(
    ("config", "biased"),
    [
        pytest.param({}, (False, False), id="none"),
        pytest.param({"attention_bias": True}, (True, True), id="attention_bias"),
        pytest.param({"attention_bias": True, "qkv_bias": False}, (False, True), id="qkv_bias has the last word"),
    ],
)
def test_biases_follow_the_config(config: dict[str, Any], biased: tuple[bool, bool]) -> None:
    assert (linear(config, "self_attn.q_proj").bias, linear(config, "self_attn.o_proj").bias) == biased


def test_a_classifier_has_a_score_in_place_of_a_head() -> None:
    classifier = names({"id2label": {"0": "good"}}, "LlamaForSequenceClassification")
    assert "score" in classifier
    assert "lm_head" not in classifier


def test_every_language_model_inside_a_wrapper_is_known() -> None:
    assert set(LANGUAGE_OF_MODEL_TYPE.values()) <= set(LANGUAGE_MODELS)


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        pytest.param({"rope_type": "default"}, 512, id="plain"),
        pytest.param({"rope_type": "llama3", "factor": 8.0}, 512, id="llama3"),
        pytest.param({"rope_type": "linear", "factor": 8.0}, 4096, id="linear: positions x factor"),
        pytest.param(
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
            512,
            id="yarn: original x factor",
        ),
        pytest.param(
            {"rope_type": "longrope", "original_max_position_embeddings": 128}, 640, id="longrope: short and long table"
        ),
        pytest.param({"rope_type": "default", "mrope_section": [1, 1, 2]}, 2048, id="multimodal: four rows a position"),
    ],
)
def test_the_rotary_table_has_a_row_for_each_position(parameters: dict[str, Any], rows: int) -> None:
    assert rotary_elements(parameters, 16, 512) == rows * 16


@pytest.mark.parametrize(
    ("config", "architecture", "error", "field"),
    [
        pytest.param({}, "BrandNewForCausalLM", UnknownFact, "architectures", id="an architecture"),
        pytest.param({"rope_scaling": {"rope_type": "spiral"}}, "LlamaForCausalLM", UnknownFact, "rope_type", id="r"),
        pytest.param({"rope_scaling": {"type": "linear"}}, "LlamaForCausalLM", InputError, "factor", id="no factor"),
        pytest.param({"partial_rotary_factor": -1}, "LlamaForCausalLM", InputError, "partial", id="share"),
        pytest.param(
            {"max_position_embeddings": "many"}, "LlamaForCausalLM", InputError, "max_position_embeddings", id="text"
        ),
        pytest.param(
            {"vision_config": {"model_type": "eye_of_newt"}},
            "LlavaForConditionalGeneration",
            UnknownFact,
            "vision_config.model_type",
            id="a tower",
        ),
        pytest.param(
            {"vision_config": {"model_type": "clip_vision_model"}, "text_config": {"model_type": "oracle"}},
            "LlavaForConditionalGeneration",
            UnknownFact,
            "text_config.model_type",
            id="a language model inside",
        ),
        pytest.param({"index_topk": 2048}, "DeepseekV3ForCausalLM", UnknownFact, "index_topk", id="an indexer"),
    ],
)  # fmt: skip
def test_what_is_not_known_or_wrong_names_its_field(
    config: dict[str, Any], architecture: str, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refused:
        read_weight_modules(LLAMA | config, architecture, TEXT)
    assert field in str(refused.value.field)  # type: ignore[attr-defined]


def test_experts_are_one_module_for_every_expert_of_every_layer() -> None:
    config = LLAMA | {"model_type": "mixtral", "num_local_experts": 8}
    modules = read_weight_modules(config, "MixtralForCausalLM", TEXT)
    experts = [module for module in modules if module.component is Component.EXPERTS]
    assert [(module.count, module.name.rpartition(".")[2]) for module in experts] == [
        (16, "w1"),
        (16, "w3"),
        (16, "w2"),
    ]
