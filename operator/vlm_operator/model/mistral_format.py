"""Mistral's own format: a ``params.json`` in the fields of a ``config.json``.

Source: vLLM 0.33 ``transformers_utils/configs/mistral.py`` (``adapt_config_dict``), which does the same. Read are dense
models, with a vision encoder or without; experts, latent attention and sound are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact

_NAMES: Final = {
    "dim": "hidden_size",
    "norm_eps": "rms_norm_eps",
    "n_kv_heads": "num_key_value_heads",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "hidden_dim": "intermediate_size",
    "tied_embeddings": "tie_word_embeddings",
}
_UNREAD: Final = ("moe", "qk_nope_head_dim", "llama_4_scaling", "quantization", "multimodal")
_POSITIONS: Final = 128_000
"""``max_position_embeddings`` where nothing says it."""


def is_mistral_format(config: Mapping[str, Any]) -> bool:
    """Whether it is a ``params.json``, by the names of its dimensions."""
    return {"dim", "n_layers", "n_kv_heads"} <= config.keys() and "hidden_size" not in config


def from_mistral_format(params: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a ``config.json`` would say it.

    Raises:
        UnknownFact: a part of the format that is not read.
        InputError: a part is not what it should be.
    """
    for key in _UNREAD:
        if params.get(key):
            raise UnknownFact(f"params.json: {key} is not read", field=f"params.{key}")
    vision = _object(params, "vision_encoder")
    text = {_NAMES.get(key, key): value for key, value in params.items() if key != "vision_encoder"}
    text |= {"model_type": "mistral", "tie_word_embeddings": bool(params.get("tied_embeddings", False))}
    text.setdefault("max_position_embeddings", _POSITIONS)
    text.setdefault("max_seq_len", text["max_position_embeddings"])
    text.setdefault("sliding_window", None)
    _windows(text)
    _yarn(text)
    if not vision:
        return {**text, "architectures": ["MistralForCausalLM"]}
    return {
        "architectures": ["PixtralForConditionalGeneration"],
        "model_type": "pixtral",
        "tie_word_embeddings": text["tie_word_embeddings"],
        "text_config": {**text, "architectures": ["MistralForCausalLM"]},
        "vision_encoder": dict(vision),
    }


def _object(params: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = params.get(key) or {}
    if not isinstance(value, Mapping):
        raise InputError(f"params.json: {key} is not an object", field=f"params.{key}")
    return value


def _windows(text: dict[str, Any]) -> None:
    """A list of windows, null where a layer sees everything, is repeated over the layers."""
    window = text.get("sliding_window")
    layers = text.get("num_hidden_layers")
    if not window or not isinstance(layers, int):
        return
    if isinstance(window, list):
        sizes = {size for size in window if size is not None}
        if len(sizes) > 1 or not all(isinstance(size, int) for size in sizes):
            raise UnknownFact("params.json: windows of several sizes are not known", field="params.sliding_window")
        kinds = ["full_attention" if size is None else "sliding_attention" for size in window]
        text["layer_types"] = kinds * (layers // len(window))
        text["sliding_window"] = next(iter(sizes), None)
    elif text.get("layer_types") is None:
        text["layer_types"] = ["sliding_attention"] * layers


def _yarn(text: dict[str, Any]) -> None:
    """Scaled positions under the names of a ``config.json``."""
    yarn = text.pop("yarn", None)
    if not yarn:
        return
    if not isinstance(yarn, Mapping):
        raise InputError("params.json: yarn is not an object", field="params.yarn")
    names = {"beta": "beta_fast", "alpha": "beta_slow"}
    scaled = {names.get(key, key): value for key, value in yarn.items() if key != "apply_scale"}
    rope = {"rope_type": "yarn", "mscale_all_dim": 1, **scaled}
    if text.get("rope_theta"):
        rope["rope_theta"] = text.pop("rope_theta")
    if not yarn.get("apply_scale", True):
        rope["attention_factor"] = 1.0
    text["rope_parameters"] = rope
