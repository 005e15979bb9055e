"""Read the language model's dimensions, element type and experts.

Sources: vLLM's ``transformers_utils/model_arch_config_convertor.py`` (heads, experts, element type) and ``config/
model.py: _resolve_auto_dtype``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import SHARED_EXPERT_WIDTHS
from vlm_operator.model.facts import DType, MixtureOfExperts, TextFacts
from vlm_operator.model.text_config import TextConfig

_NO_HALF: Final = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})
"""Model types that vLLM serves in bfloat16 where the config says float16."""

_FOUR_TIMES_HIDDEN: Final = frozenset(
    {"bloom", "falcon", "gpt-sw3", "gpt2", "gpt_bigcode", "gptj", "mpt", "RefinedWeb"}
)
"""Model types whose MLP is four times as wide as the model unless the config says otherwise."""

_PARALLEL: Final = {
    "cohere": "",
    "cohere2": "",
    "falcon": "parallel_attn",
    "gpt_neox": "use_parallel_residual",
    "gptj": "",
    "phi": "",
}
"""Model types whose attention and MLP stand side by side, and the field that says otherwise (true where it is missing);
vLLM 0.32 ``models/commandr.py``, ``falcon.py``, ``gpt_neox.py``, ``gpt_j.py``, ``phi.py``."""

_EXPERTS: Final = ("num_experts", "moe_num_experts", "n_routed_experts", "num_local_experts")
_EXPERTS_PER_TOKEN: Final = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "top_k_experts",
    "moe_topk",
    "moe_top_k",
    "moe_k",
)


def element_type(whole: Config, text: TextConfig, *, cached: bool = True) -> DType:
    """The element type vLLM serves in: the config's, float32 as bfloat16 (as float16 for encoders).

    Args:
        whole: the whole config.
        text: its language model.
        cached: False for a model that caches nothing, which vLLM only pools.

    Raises:
        UnknownFact: a type that is not known.
    """
    preferred = DType.BFLOAT16 if cached else DType.FLOAT16
    places = [whole, text.given]
    if whole.has("vision_config") and isinstance(whole.values["vision_config"], dict):
        places.append(whole.section("vision_config"))
    for place in places:
        for key in ("dtype", "torch_dtype"):
            name = place.text(key)
            if name is None or name == "auto":
                continue
            try:
                dtype = DType(name.removeprefix("torch."))
            except ValueError:
                field = place.field(key)
                raise UnknownFact(f"{field}: element type {name[:40]!r} is not known", field=field) from None
            if dtype is DType.FLOAT16 and whole.text("model_type") in _NO_HALF:
                return DType.BFLOAT16
            return dtype if dtype is not DType.FLOAT32 else preferred
    return preferred


def read_text(text: TextConfig) -> TextFacts:
    """Dimensions of the language model.

    Raises:
        InputError: a field is out of range.
        UnknownFact: a field is missing and has no known default.
    """
    attention = text.model_type not in ("mamba", "falcon_mamba", "mamba2")
    return TextFacts(
        layers=_layers(text),
        hidden_size=text.hidden_size,
        intermediate_size=_intermediate_size(text),
        vocab_size=text.config.integer("vocab_size"),
        attention_heads=text.attention_heads if attention else 0,
        kv_heads=_kv_heads(text) if attention else 0,
        head_size=text.head_size if attention else 0,
        tie_word_embeddings=_tied(text),
        experts=_experts(text),
        parallel_blocks=_parallel(text),
    )


def _parallel(text: TextConfig) -> bool:
    field = _PARALLEL.get(text.model_type)
    return field is not None and (not field or text.config.boolean(field, True))


def _layers(text: TextConfig) -> int:
    config = text.config
    if text.model_type == "nemotron_h":
        listed = config.items("layers_block_type")
        return len(listed) if listed else len(config.text("hybrid_override_pattern") or "") or text.layers
    return text.layers


def _kv_heads(text: TextConfig) -> int:
    if text.config.has("decoder_attention_heads"):
        return text.config.integer("decoder_attention_heads")
    if text.config.has("attn_config"):
        return text.config.section("attn_config").integer("kv_n_heads", text.attention_heads)
    return text.kv_heads


def _tied(text: TextConfig) -> bool:
    """The whole model's word counts before its language model's (vLLM 0.32: ``VllmConfig.with_hf_config``)."""
    whole, config = text.whole, text.config
    for place in (whole, text.given):
        if place.has("tie_word_embeddings"):
            return place.boolean("tie_word_embeddings", False)
    return config.boolean("tie_word_embeddings", False)


def _intermediate_size(text: TextConfig) -> int:
    config = text.config
    for key in ("intermediate_size", "n_inner", "mlp_hidden_size"):
        if isinstance(config.values.get(key), list | tuple):
            widths = Config({str(at): width for at, width in enumerate(config.values[key])}, config.field(key))
            return max((widths.integer(at) for at in widths.values), default=0)
        if config.has(key):
            return config.integer(key, least=0)
    if text.model_type in _FOUR_TIMES_HIDDEN:
        return 4 * text.hidden_size
    if config.has("ffn_config"):
        return config.section("ffn_config").integer("ffn_hidden_size", 0, least=0)
    if config.has("block_configs"):
        return _widest_block(config, text.hidden_size)
    if config.has("moe_intermediate_size") or text.model_type in ("mamba", "mamba2", "falcon_mamba"):
        return 0
    field = config.field("intermediate_size")
    raise UnknownFact(f"{field} is missing from the config and has no known default", field=field)


def _widest_block(config: Config, hidden: int) -> int:
    """The widest MLP of a model whose blocks differ (vLLM: ``nemotron_nas.py: _ffn_mult_to_intermediate_size``)."""
    widths = [0]
    for number, block in enumerate(config.items("block_configs") or []):
        mlp = Config({"block": block}, f"block_configs[{number}]").section("block").section("ffn")
        if not (mlp.boolean("no_op", False) or mlp.boolean("replace_with_linear", False)):
            widths.append(int(2 * (mlp.number("ffn_mult") or 0.0) * hidden / 3))
    return -(-max(widths) // 256) * 256


def _experts(text: TextConfig) -> MixtureOfExperts | None:
    config = text.config
    experts = _first_given(config, _EXPERTS)
    if not experts or experts == 1:
        return None
    layers = _expert_layers(text)
    if layers == 0:
        return None  # a dense Nemotron-H that was saved anew has its class's defaults for experts
    per_token = _first_given(config, _EXPERTS_PER_TOKEN) or 1
    width = _first_given(config, ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")) or 0
    shared = _first_given(config, ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"))
    if shared is None:
        shared = SHARED_EXPERT_WIDTHS.get(text.model_type)
    if shared is None:
        shared = width * (
            _first_given(config, ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")) or 0
        )
    return MixtureOfExperts(experts, per_token, width, shared, layers)


def _first_given(config: Config, keys: tuple[str, ...]) -> int | None:
    """The first of these fields that is given; of a list (experts per modality) its largest entry."""
    for key in keys:
        value = config.values.get(key)
        if isinstance(value, list | tuple):
            view = Config({str(at): entry for at, entry in enumerate(value)}, config.field(key))
            return max((view.integer(at, 0, least=0) for at in view.values), default=0)
        if value is not None:
            return config.integer(key, least=0)
    return None


def _expert_layers(text: TextConfig) -> int:
    """Layers whose MLP is a mixture of experts."""
    config, layers = text.config, text.layers
    step = 1
    for key in ("decoder_sparse_step", "interleave_moe_layer_step", "expert_layer_period", "moe_layer_interval"):
        if config.has(key):
            step = config.integer(key)
            break
    dense = config.items("mlp_only_layers") or []
    first = config.integer("first_k_dense_replace", 0, least=0)
    pattern, listed = config.text("hybrid_override_pattern"), config.items("layers_block_type")
    if pattern is not None:
        return pattern.count("E")
    if listed is not None and text.model_type == "nemotron_h":
        return sum(kind == "moe" for kind in listed)
    return sum(1 for index in range(first, layers) if (index + 1) % step == 0 and index not in dense)
