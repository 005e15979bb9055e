"""``config.json`` to facts: what is read, what is filled in as transformers does, and what is refused with its name."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.model.facts import AttentionCache, LatentCache, ModelFacts
from vlm_operator.model.reader import read_model_facts

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
QWEN3_VL: dict[str, Any] = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "text_config": {**LLAMA, "model_type": "qwen3_vl_text", "head_dim": 64, "architectures": None},
    "vision_config": {"model_type": "qwen3_vl", "depth": 2, "hidden_size": 64},
}
VERSION = EngineVersion(0, 32)


def read(config: Any, **fields: Any) -> ModelFacts:
    return read_model_facts(config | fields if fields else config, model="small", source="test")


def only_cache(model: ModelFacts) -> Any:
    (run,) = model.cache_layers
    return run.cache


def test_the_text_model_of_a_wrapper_is_read_from_its_own_section() -> None:
    model = read(QWEN3_VL)
    assert model.architecture == "Qwen3VLForConditionalGeneration"
    assert model.text.layers == 6
    assert model.derived_max_model_len == 8192
    assert only_cache(model) == only_cache(read(LLAMA))


@pytest.mark.parametrize(
    ("fields", "heads", "head_size"),
    [
        pytest.param({}, 2, 64, id="grouped query"),
        pytest.param({"num_key_value_heads": 1}, 1, 64, id="multi query"),
        pytest.param({"num_key_value_heads": None}, 8, 64, id="as many as query heads where null"),
        pytest.param({"head_dim": 128}, 2, 128, id="own head size"),
        pytest.param({"head_dim": None}, 2, 64, id="hidden size over heads where null"),
    ],
)
def test_heads_of_the_cache(fields: dict[str, Any], heads: int, head_size: int) -> None:
    cache = only_cache(read(LLAMA, **fields))
    assert isinstance(cache, AttentionCache)
    assert (cache.kv_heads, cache.head_size) == (heads, head_size)


@pytest.mark.parametrize(
    ("architecture", "fields", "parallel"),
    [
        pytest.param("LlamaForCausalLM", {}, False, id="one after the other"),
        pytest.param("Cohere2ForCausalLM", {"model_type": "cohere2"}, True, id="side by side"),
        pytest.param("GPTNeoXForCausalLM", {"model_type": "gpt_neox"}, True, id="side by side unless the config says"),
        pytest.param(
            "GPTNeoXForCausalLM",
            {"model_type": "gpt_neox", "use_parallel_residual": False},
            False,
            id="as the config says",
        ),
    ],
)
def test_attention_and_mlp_stand_after_or_beside_each_other(
    architecture: str, fields: dict[str, Any], parallel: bool
) -> None:
    assert read(LLAMA, architectures=[architecture], **fields).text.parallel_blocks == parallel


def test_latent_attention_caches_rank_and_rotary_part() -> None:
    model = read(
        {
            **LLAMA,
            "architectures": ["DeepseekV2ForCausalLM"],
            "model_type": "deepseek_v2",
            "kv_lora_rank": 256,
            "q_lora_rank": None,
            "qk_nope_head_dim": 64,
            "qk_rope_head_dim": 32,
            "v_head_dim": 64,
        }
    )
    cache = only_cache(model)
    assert isinstance(cache, LatentCache)
    assert kv_layout(model, EngineSettings(), VERSION).bytes_per_block == (256 + 32) * 2 * 16 * 6


def test_fields_left_out_are_those_of_the_model_type() -> None:
    # transformers: LlamaConfig has 32 layers of 32 heads, 4096 wide, 2048 positions; no key-value heads: as many.
    model = read({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"})
    assert model.text.layers == 32
    assert model.derived_max_model_len == 2048
    assert kv_layout(model, EngineSettings(), VERSION).bytes_per_block == 2 * 32 * 128 * 2 * 16 * 32


@pytest.mark.parametrize(
    ("rope", "tokens"),
    [
        pytest.param(None, 8192, id="none"),
        pytest.param({"rope_type": "linear", "factor": 2.0}, 16384, id="linear"),
        pytest.param({"rope_type": "dynamic", "factor": 4.0}, 32768, id="dynamic"),
        pytest.param({"type": "linear", "factor": 2}, 16384, id="by its older name"),
        pytest.param({"rope_type": "default"}, 8192, id="default"),
        pytest.param(
            {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 2048,
            },
            8192,
            id="llama3 leaves the length alone",
        ),
        pytest.param({"rope_type": "mrope", "mrope_section": [8, 12, 12]}, 8192, id="mrope leaves it alone"),
    ],
)
def test_context_length_follows_the_rope(rope: Any, tokens: int) -> None:
    assert read(LLAMA, rope_scaling=rope).derived_max_model_len == tokens


def test_overrides_are_merged_into_nested_objects() -> None:
    model = read_model_facts(
        QWEN3_VL, model="small", source="test", hf_overrides={"text_config": {"max_position_embeddings": 4096}}
    )
    assert model.derived_max_model_len == 4096
    assert model.text.layers == 6


@pytest.mark.parametrize(
    ("config", "field"),
    [
        pytest.param({**LLAMA, "architectures": ["NeverHeardOfForCausalLM"]}, "architectures", id="architecture"),
        pytest.param({**LLAMA, "architectures": None}, "architectures", id="none named"),
        pytest.param(
            {**LLAMA, "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32"},
            "index_topk",
            id="sparse attention without an indexer",
        ),
    ],
)
def test_what_is_not_known_says_which_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises((UnknownFact, InputError), match=field):
        read(config)


@pytest.mark.parametrize("config", [[], [LLAMA], "text", 7, None, float("nan")], ids=repr)
def test_anything_but_an_object_is_refused(config: Any) -> None:
    with pytest.raises(InputError, match="instead of an object"):
        read(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", 0),
        ("num_hidden_layers", -6),
        ("num_hidden_layers", "six"),
        ("num_hidden_layers", 10**18),
        ("num_hidden_layers", [6]),
        ("num_hidden_layers", float("nan")),
        ("num_attention_heads", 0),
        ("num_attention_heads", 7.5),
        ("num_key_value_heads", -2),
        ("num_key_value_heads", {}),
        ("hidden_size", "512x"),
        ("hidden_size", 10**40),
        ("head_dim", -64),
        ("max_position_embeddings", -1),
        ("max_position_embeddings", float("inf")),
        ("torch_dtype", "int7"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_field_out_of_range_is_named(field: str, value: Any) -> None:
    with pytest.raises((InputError, UnknownFact)) as refused:
        read(LLAMA, **{field: value})
    assert field.removeprefix("torch_") in refused.value.message


def test_nesting_without_end_is_refused_at_once() -> None:
    nested: dict[str, Any] = {}
    inner = nested
    for _ in range(100_000):
        inner["text_config"] = {}
        inner = inner["text_config"]
    with pytest.raises(InputError, match="nested deeper"):
        read(LLAMA, text_config=nested)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5)), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@settings(deadline=None)
@given(
    config=st.sampled_from(
        [LLAMA, QWEN3_VL, {**LLAMA, "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3"}]
    ),
    fields=st.dictionaries(
        st.sampled_from([*LLAMA, "text_config", "sliding_window", "layer_types"]), VALUES, max_size=3
    ),
    dropped=st.sets(st.sampled_from(sorted(LLAMA)), max_size=2),
)
def test_no_config_ends_in_a_python_error(config: dict[str, Any], fields: dict[str, Any], dropped: set[str]) -> None:
    hostile = {key: value for key, value in {**config, **fields}.items() if key not in dropped}
    begun = time.process_time()
    with suppress(VlmOperatorError):
        kv_layout(read(hostile), EngineSettings(), VERSION).needed_bytes(1000)
    assert time.process_time() - begun < 1


def test_weights_that_are_not_known_do_not_keep_the_cache_from_being_known() -> None:
    model = read(LLAMA, quantization_config={"quant_method": "never-heard-of"})
    assert model.weights is None
    assert model.weights_unknown
    assert kv_layout(model, EngineSettings(), VERSION).bytes_per_block == 49152


GEMMA4_TEXT: dict[str, Any] = {
    "model_type": "gemma4_text",
    "architectures": ["Gemma4ForCausalLM"],
    "dtype": "bfloat16",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "vocab_size": 1024,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "num_hidden_layers": 6,
    "head_dim": 256,
    "sliding_window": 512,
    "max_position_embeddings": 8192,
    "hidden_size_per_layer_input": 0,
    "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
}


@pytest.mark.parametrize(
    ("published", "resaved"),
    [
        pytest.param(
            {"global_head_dim": 512, "num_global_key_value_heads": 2, "attention_k_eq_v": True},
            {"per_layer_config": {"05": {"head_dim": 512, "num_key_value_heads": 2}}, "attention_k_eq_v": True},
            id="heads and widths",
        ),
        pytest.param({"global_head_dim": 512}, {"per_layer_config": {"5": {"head_dim": 512}}}, id="widths"),
        pytest.param({"global_head_dim": 256}, {"per_layer_config": {}}, id="nothing differs"),
    ],
)
def test_gemma_4_saved_anew_is_read_as_published(published: dict[str, Any], resaved: dict[str, Any]) -> None:
    before, after = read({**GEMMA4_TEXT, **published}), read({**GEMMA4_TEXT, **resaved})
    assert after.cache_layers == before.cache_layers
    assert after.weights == before.weights is not None


def test_fields_given_layer_by_layer_that_are_not_read_are_named() -> None:
    with pytest.raises(UnknownFact, match="per_layer_config"):
        read({**GEMMA4_TEXT, "per_layer_config": {"2": {"sliding_window": 64}}})


def test_a_dense_nemotron_h_saved_anew_has_no_experts() -> None:
    config = {
        "model_type": "nemotron_h",
        "architectures": ["NemotronHForCausalLM"],
        "hidden_size": 512,
        "intermediate_size": 1024,
        "vocab_size": 1024,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "mamba_num_heads": 16,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "ssm_state_size": 64,
        "conv_kernel": 4,
        "max_position_embeddings": 8192,
    }
    defaults = {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 7688, "n_shared_experts": 1}
    kinds = ["linear_attention", "mlp", "full_attention", "mlp"]
    before = read({**config, "hybrid_override_pattern": "M-*-", "num_hidden_layers": 4})
    after = read({**config, **defaults, "layers_block_type": kinds})
    assert after.text == before.text
    assert after.text.experts is None
    mixture = read({**config, **defaults, "layers_block_type": ["linear_attention", "moe", "full_attention", "moe"]})
    assert mixture.text.experts is not None
    assert mixture.text.experts.layers == 2
