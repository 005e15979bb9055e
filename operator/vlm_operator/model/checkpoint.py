"""Sum parsed safetensors headers to bytes by part of the model and element type.

Only names, element types and shapes are read, so the facts of a 700 GB checkpoint are a few hundred bytes. Parameters
that vLLM does not load are left out of every sum: layers for multi-token prediction (``mtp.`` in Qwen and Nemotron,
layers past ``num_hidden_layers`` in DeepSeek and GLM).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.model.facts import CheckpointFacts, CheckpointPart, Component

ELEMENT_BITS: Final[Mapping[str, int]] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64,
}  # fmt: skip
"""Bits of an element by safetensors' name of its type (safetensors 0.6, ``tensor.rs``, ``Dtype``)."""

MOST_LAYERS: Final = 4096
_NOT_LOADED: Final = re.compile(r"(^|\.)(mtp|mtp_block|eagle|eagle_module)\.")
_LAYER: Final = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks)\.(\d{1,6})\.")
_PARTS: Final[tuple[tuple[Component, re.Pattern[str]], ...]] = (
    (Component.AUDIO_TOWER, re.compile(r"(^|\.)(audio_tower|audio_model|audio_encoder|embed_audio)(\.|$)")),
    (
        Component.PROJECTOR,
        re.compile(
            r"(^|\.)(multi_modal_projector|mm_projector|embed_vision|connector|mlp1|resampler|aligner|image_newline"
            r"|visual\.merger|visual\.deepstack_merger_list|projector|vision_language_adapter)(\.|$)"
        ),
    ),
    (
        Component.VISION_TOWER,
        re.compile(
            r"(^|\.)(visual|vision_tower|vision_model|vision_encoder|vision_backbone|vpm|vit|visual_tokenizer)\."
        ),
    ),
    (Component.EXPERTS, re.compile(r"\.experts\.")),
    (Component.HEAD, re.compile(r"(^|\.)(lm_head|output_layer|output|score)\.(weight|bias|qweight|weight_packed)")),
    (
        Component.EMBEDDING,
        re.compile(
            r"(^|\.)(embed_tokens|embed_tokens_per_layer|word_embeddings|tok_embeddings|wte|embeddings)\.(weight|word)"
        ),
    ),
)


def component_of(name: str) -> Component:
    """The part of the model that a tensor belongs to, by its name."""
    for component, pattern in _PARTS:
        if pattern.search(name):
            return component
    return Component.LANGUAGE_LAYERS


def checkpoint_from_headers(headers: Iterable[Mapping[str, Any]], *, layers: int | None = None) -> CheckpointFacts:
    """Facts of a checkpoint.

    Args:
        headers: one mapping for each file, tensor name to its ``dtype`` and ``shape`` (an object with these attributes,
            or a mapping with these keys); ``__metadata__`` is passed over.
        layers: decoder layers of the model; layers past them are not loaded. None: all are counted.

    Raises:
        InputError: a tensor without element type or shape, or with a type that safetensors does not have.
    """
    sums: dict[tuple[Component, str], list[int]] = {}
    skipped = 0
    for header in headers:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype, shape = _described(name, entry)
            elements = 1
            for side in shape:
                elements *= side
            size = -(-elements * ELEMENT_BITS[dtype] // 8)
            component = component_of(name)
            if _NOT_LOADED.search(name) or (layers is not None and _layer(name, component) >= layers):
                skipped += size
                continue
            total = sums.setdefault((component, dtype), [0, 0, 0])
            total[0] += 1
            total[1] += elements
            total[2] += size
    order = list(Component)
    parts = tuple(
        CheckpointPart(component, dtype, *figures)
        for (component, dtype), figures in sorted(sums.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    )
    return CheckpointFacts(parts, skipped)


def _layer(name: str, component: Component) -> int:
    if component not in {Component.LANGUAGE_LAYERS, Component.EXPERTS}:
        return -1
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def _described(name: str, entry: Any) -> tuple[str, tuple[int, ...]]:
    dtype = entry.get("dtype") if isinstance(entry, Mapping) else getattr(entry, "dtype", None)
    shape = entry.get("shape") if isinstance(entry, Mapping) else getattr(entry, "shape", None)
    if not isinstance(dtype, str) or not isinstance(shape, list | tuple) or not all(_is_side(side) for side in shape):
        raise InputError(f"{name[:80]}: a tensor needs dtype and shape, found {str(entry)[:60]!r}", field=name[:80])
    if dtype not in ELEMENT_BITS:
        raise InputError(
            f"{name[:80]}: dtype {dtype[:20]!r} is not one of safetensors' types",
            field=name[:80],
            hint=f"known: {', '.join(ELEMENT_BITS)}",
        )
    return dtype, tuple(shape)


def _is_side(side: object) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and 0 <= side <= 2**48
