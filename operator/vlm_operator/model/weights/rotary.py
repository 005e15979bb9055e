"""Size of the rotary embedding tables: vLLM keeps one per rank and distinct set of parameters.

Sources: vLLM 0.32, ``model_executor/layers/rotary_embedding/__init__.py`` (``get_rope``) and the classes beside it;
``transformers_utils/config.py`` (``patch_rope_parameters``) for the older spellings of the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import LARGEST_DIMENSION, Config

PLAIN = frozenset({"default", "llama3", "ntk", "dynamic", "proportional"})
"""Scalings whose table has one row a position."""

STRETCHED = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})
"""Scalings whose table has original positions x factor rows."""


def rope_parameters(config: Config, layer_type: str | None = None) -> Mapping[str, Any]:
    """The parameters vLLM hands to ``get_rope``, of whichever spelling: ``rope_parameters`` or ``rope_scaling``.

    Args:
        config: the language model's section.
        layer_type: ``full_attention`` or ``sliding_attention`` where the parameters are kept by layer type.
    """
    values = config.section("rope_parameters").values or config.section("rope_scaling").values
    if layer_type is not None and isinstance(values.get(layer_type), Mapping):
        values = values[layer_type]
    merged = dict(values)
    for key in ("partial_rotary_factor", "rotary_pct", "rotary_emb_fraction"):
        if "partial_rotary_factor" not in merged and config.has(key):
            merged["partial_rotary_factor"] = config.values[key]
    kind = str(merged.get("rope_type") or merged.get("type") or "default")
    if kind == "mrope":
        kind = "default"
    elif kind == "su":
        kind = "longrope"
    merged["rope_type"] = kind
    if merged.get("original_max_position_embeddings") is None and config.has("original_max_position_embeddings"):
        merged["original_max_position_embeddings"] = config.values["original_max_position_embeddings"]
    return merged


def rotary_dimension(parameters: Config, head_size: int) -> int:
    """Elements of a head that are rotated."""
    explicit = parameters.integer("rope_dim", 0, least=0)
    if explicit:
        return explicit
    factor = parameters.number("partial_rotary_factor", 1.0) or 0.0
    if not 0 < factor <= 1:
        field = parameters.field("partial_rotary_factor")
        raise InputError(f"{field}: {factor} is not above 0 and at most 1", field=field)
    return int(head_size * factor)


def stretched(rows: int, parameters: Config) -> int:
    """Rows times the scaling's factor.

    Raises:
        InputError: the factor is missing, or out of range.
    """
    factor = parameters.number("factor")
    if factor is None or not 0 < factor <= LARGEST_DIMENSION:
        field = parameters.field("factor")
        raise InputError(f"{field}: {factor} is not a scaling factor", field=field)
    return int(rows * factor)


def rotary_elements(
    values: Mapping[str, Any], head_size: int, positions: int, *, multimodal_factor: int = 4, field: str = ""
) -> int:
    """Elements of the table of cosines and sines.

    Args:
        values: as ``rope_parameters`` returns them.
        head_size: elements of one head.
        positions: ``max_position_embeddings`` of the config.
        multimodal_factor: rows a position of a multimodal table (``mrope_positions_factor``).
        field: dotted name of the parameters, for the error.

    Raises:
        UnknownFact: a scaling this project does not know.
        InputError: a parameter is not what it should be.
    """
    parameters = Config(values, field or "rope_parameters")
    kind = values["rope_type"]
    width = rotary_dimension(parameters, head_size)
    width += width % 2  # one frequency for each pair, the last of an odd number alone
    multimodal = multimodal_factor if "mrope_section" in values else 1
    if kind == "linear":
        return stretched(positions, parameters) * width
    if kind in STRETCHED:
        original = parameters.integer("original_max_position_embeddings", positions)
        return stretched(original * multimodal if kind == "yarn" else original, parameters) * width
    if kind == "longrope":
        return (parameters.integer("original_max_position_embeddings") + positions) * width
    if kind in PLAIN:
        return positions * (multimodal if kind == "default" else 1) * width
    raise UnknownFact(
        f"{parameters.field('rope_type')}: {str(kind)[:60]!r} is not known",
        field=parameters.field("rope_type"),
        hint="give a checkpoint directory, whose headers hold the exact weights",
    )
