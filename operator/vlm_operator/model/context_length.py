"""Derive the context length from a config as vLLM does.

The smallest of the config's length fields, times a factor that the rotary embedding's scaling may declare. Which
scalings multiply changed with vLLM 0.30: until 0.29 YaRN's factor multiplies its original length, since then the
config's length is taken as scaled already.

Sources (vLLM): ``_get_and_verify_max_len`` of ``config/model.py`` (0.11 to 0.33); ``derive_max_model_len_and_key`` of
``transformers_utils/model_arch_config_convertor.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vlm_operator.errors import InputError
from vlm_operator.model.config import LARGEST_DIMENSION, Config
from vlm_operator.model.text_config import TextConfig

_LENGTH_FIELDS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_ALREADY_SCALED = ("su", "longrope", "llama3")
_YARN = ("yarn", "deepseek_yarn", "deepseek_llama_scaling")

UNNAMED_MAX_MODEL_LEN = 2048
"""What vLLM assumes where no field names a length."""


@dataclass(frozen=True, slots=True)
class ContextLength:
    """The longest context that vLLM derives: ``tokens`` since 0.30, ``tokens_before`` until 0.29."""

    tokens: int
    tokens_before: int


def derived_context(text: TextConfig) -> ContextLength:
    """The longest context of a model, tokens.

    Raises:
        InputError: a length or a factor is out of range.
        UnknownFact: a YaRN scaling that does not say what it scales.
    """
    config = text.config
    lengths = [config.integer(key) for key in _LENGTH_FIELDS if config.has(key)]
    length = min(lengths, default=UNNAMED_MAX_MODEL_LEN)
    if config.has("model_max_length"):
        length = config.integer("model_max_length")
    if "gemma3" in text.model_type:
        return ContextLength(length, length)
    scalings = list(_scalings(text))
    if any(_rope_type(scaling) == "longrope" for scaling in scalings):
        original = config.integer("original_max_position_embeddings", length)
        return ContextLength(original, original)
    return ContextLength(_scaled(length, scalings, multiply_yarn=False), _scaled(length, scalings, multiply_yarn=True))


def _scaled(length: int, scalings: list[Config], *, multiply_yarn: bool) -> int:
    factor = 1.0
    for scaling in scalings:
        kind = _rope_type(scaling)
        if kind in _ALREADY_SCALED or (kind in _YARN and not multiply_yarn):
            continue
        given = scaling.number("factor", factor)
        factor = 1.0 if given is None else given
        if kind == "yarn":
            length = scaling.integer("original_max_position_embeddings")
    tokens = length * factor
    if not 1 <= tokens <= LARGEST_DIMENSION:
        field = scalings[0].field("factor") if scalings else "max_position_embeddings"
        raise InputError(f"{field}: a context of {tokens:.3g} tokens is out of range", field=field)
    return int(tokens)


def _rope_type(scaling: Config) -> str:
    return scaling.text("rope_type") or scaling.text("type") or "default"


def _scalings(text: TextConfig) -> Iterator[Config]:
    """The rotary embedding's parameters: one set, or one for each kind of layer."""
    config = text.config
    for key in ("rope_scaling", "rope_parameters"):
        if not config.has(key):
            continue
        section = config.section(key)
        nested = [name for name, value in section.values.items() if isinstance(value, dict) and value]
        if nested and "rope_type" not in section.values and "type" not in section.values:
            for name in nested:
                yield section.section(name)
        elif section.values:
            yield section
        return
