"""Locate the language model in a config and fill the defaults of its fields.

Nested configs keep the language model under ``text_config`` and other names; older ones mix it with the rest at the
top. A field that is null means what the class makes of null, a field that is missing takes the class's default.

Sources: ``get_text_config`` of transformers' ``configuration_utils.py``; vLLM's ``transformers_utils/config.py:
get_hf_text_config`` and ``transformers_utils/model_arch_config_convertor.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import nested_type, text_defaults, window_only_if_used

_SECTIONS: Final = ("text_config", "llm_config", "language_config", "text_model_config")
"""Names under which configs nest the language model, in the order they are looked for."""

_WRAPPERS: Final = ("thinker_config", "vlm_config")
"""Names of a whole vision-language model inside a larger one."""

_OLDER_NAMES: Final = {
    "n_layer": "num_hidden_layers",
    "n_layers": "num_hidden_layers",
    "num_layers": "num_hidden_layers",
    "decoder_layers": "num_hidden_layers",
    "n_embd": "hidden_size",
    "d_model": "hidden_size",
    "n_head": "num_attention_heads",
    "n_heads": "num_attention_heads",
    "decoder_attention_heads": "num_attention_heads",
    "decoder_ffn_dim": "intermediate_size",
    "ffn_dim": "intermediate_size",
    "ffn_hidden_size": "intermediate_size",
    "padded_vocab_size": "vocab_size",
}
"""Names of dimensions in families that came before the common ones."""

LARGEST_LAYER_COUNT: Final = 4096
"""No real model comes near; more layers are refused before they are listed."""


class TextConfig:
    """The language model's part of a config, with its class's defaults.

    Attributes:
        architecture: the class that vLLM builds.
        model_type: ``model_type`` of the language model.
        whole: the whole config.
        config: the language model's fields, defaults filled.
    """

    def __init__(self, whole: Config, architecture: str) -> None:
        self.whole = whole
        self.architecture = architecture
        section = _find_section(whole)
        whole_type = whole.text("model_type") or ""
        nested = nested_type(whole_type) or whole_type
        self.model_type = section.text("model_type") or nested
        if section.path == whole.path:
            self.model_type = nested
        self.nested = section.path != whole.path
        defaults = text_defaults(self.model_type)
        self.given = section
        renamed = {
            name: section.values[old]
            for old, name in _OLDER_NAMES.items()
            if section.has(old) and not section.has(name)
        }
        self.config = Config({**defaults, **section.values, **renamed}, section.path)

    # --- dimensions -------------------------------------------------------------------------------------------------

    def first(self, *keys: str, default: int | None = None) -> int:
        """The first of these fields that is given, a whole number of at least 1.

        Raises:
            InputError: not a whole number.
            UnknownFact: none is given, and no default is known.
        """
        for key in keys:
            if self.config.has(key):
                return self.config.integer(key)
        return self.config.integer(keys[0], default)

    @property
    def layers(self) -> int:
        """Decoder layers (``num_hidden_layers`` and its older names)."""
        layers = self.config.integer("num_hidden_layers")
        if layers > LARGEST_LAYER_COUNT:
            field = self.config.field("num_hidden_layers")
            raise InputError(f"{field}: {layers} layers are more than {LARGEST_LAYER_COUNT}", field=field)
        return layers

    @property
    def hidden_size(self) -> int:
        """Width of the language model."""
        return self.config.integer("hidden_size")

    @property
    def attention_heads(self) -> int:
        """Query heads."""
        return self.config.integer("num_attention_heads")

    @property
    def kv_heads(self) -> int:
        """Key/value heads; the query heads where the config names none (vLLM's ``get_total_num_kv_heads``)."""
        for key in (
            "n_head_kv",
            "num_kv_heads",
            "num_key_value_heads",
            "multi_query_group_num",
            "num_attention_groups",
        ):
            if self.config.has(key):
                return self.config.integer(key)
        return self.attention_heads

    @property
    def hidden_per_head(self) -> int:
        """Hidden size over heads: the head size of families that know no other."""
        hidden, heads = self.hidden_size, self.attention_heads
        if hidden < heads:
            field = self.config.field("num_attention_heads")
            raise InputError(f"{field}: {heads} heads are more than the hidden size {hidden}", field=field)
        return hidden // heads

    @property
    def head_size(self) -> int:
        """Elements of one head: ``head_dim`` where given, else hidden size over heads."""
        if self.config.has("head_dim") and self.config.integer("head_dim", least=0) > 0:
            return self.config.integer("head_dim")
        return self.hidden_per_head

    # --- windows ----------------------------------------------------------------------------------------------------

    @property
    def sliding_window(self) -> int | None:
        """Tokens of the window as the config class keeps it; None where it is off."""
        config = self.config
        if not config.boolean("use_sliding_window", not window_only_if_used(self.model_type)):
            return None
        if isinstance(config.values.get("sliding_window"), list | tuple):
            raise UnknownFact(
                f"{config.field('sliding_window')}: a window per layer is not known for {self.architecture}",
                field=config.field("sliding_window"),
            )
        if not config.has("sliding_window"):
            return None
        return config.integer("sliding_window", least=0) or None

    def layer_types(self, default: list[str] | None = None) -> list[str] | None:
        """Kind of each layer as the config lists it, or the default of the class.

        Raises:
            InputError: not one string per layer.
        """
        types = self.config.items("layer_types")
        if types is None:
            return default
        field = self.config.field("layer_types")
        if len(types) != self.layers:
            raise InputError(f"{field}: {len(types)} entries for {self.layers} layers", field=field)
        for entry in types:
            if not isinstance(entry, str):
                raise InputError(f"{field}: {str(entry)[:40]!r} is not a string", field=field)
        return types


def _find_section(whole: Config) -> Config:
    inner = next((whole.section(name) for name in _WRAPPERS if whole.has(name)), whole)
    places = (inner, whole)  # a wrapper that vLLM saved anew may have its parts at the top
    return next((place.section(name) for place in places for name in _SECTIONS if place.has(name)), inner)


def architecture_of(config: Mapping[str, Any]) -> str:
    """The class that vLLM builds: the first of ``architectures``.

    Raises:
        InputError: ``architectures`` is not a list of strings.
        UnknownFact: it is missing.
    """
    view = Config(config)
    names = view.items("architectures")
    if not names:
        raise UnknownFact(
            "architectures is missing from the config, so which model vLLM builds is not known",
            field="architectures",
            hint="give the model's own config.json, not that of a part of it",
        )
    if not isinstance(names[0], str):
        raise InputError(f"architectures: {str(names[0])[:60]!r} is not a string", field="architectures")
    return names[0]
