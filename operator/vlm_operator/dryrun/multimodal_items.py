"""Tokens of images, by the model's own processor, and of the largest items that vLLM profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class BudgetSpy:
    """Remembers what vLLM's encoder budget worked out.

    Attributes:
        largest: tokens of the largest item by modality.
        encoder_tokens: tokens that the profiling run encodes at most.
    """

    def __init__(self) -> None:
        self.largest: dict[str, int] = {}
        self.encoder_tokens: int | None = None

    def watch(self) -> None:
        """Look at every budget that is made from now on."""
        try:
            from vllm.multimodal.encoder_budget import MultiModalBudget
        except ImportError:  # up to 0.14
            from vllm.v1.worker.utils import MultiModalBudget
        construct = MultiModalBudget.__init__

        def watched(budget: Any, *args: Any, **kwargs: Any) -> None:
            construct(budget, *args, **kwargs)
            for name in ("mm_max_toks_per_item", "max_tokens_by_modality"):
                found = getattr(budget, name, None)
                if isinstance(found, Mapping):
                    self.largest.update({modality: int(tokens) for modality, tokens in found.items()})
            self.encoder_tokens = int(budget.get_encoder_budget())

        MultiModalBudget.__init__ = watched


def count_items(config: Any, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each item with ``promptTokens`` and ``encoderTokens``, or with ``error`` where it could not be counted."""
    return [_counted(config, item) for item in items]


def _counted(config: Any, item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("modality") != "image":
        return {**item, "error": "only images are counted"}
    try:
        prompt, encoder = _image_tokens(config.model_config, int(item["width"]), int(item["height"]))
    except Exception as error:
        return {**item, "error": f"{type(error).__name__}: {str(error)[:200]}"}
    return {**item, "promptTokens": prompt, "encoderTokens": encoder}


def _image_tokens(model_config: Any, width: int, height: int) -> tuple[int, int]:
    from PIL import Image
    from vllm.multimodal import MULTIMODAL_REGISTRY

    processor = MULTIMODAL_REGISTRY.create_processor(model_config)
    model = MULTIMODAL_REGISTRY._get_model_cls(model_config)
    text, image = model.get_placeholder_str("image", 1), Image.new("RGB", (width, height))
    if hasattr(processor.info, "parse_mm_data"):
        output = processor(text, processor.info.parse_mm_data({"image": image}))
    else:
        output = processor.apply(text, {"image": image}, hf_processor_mm_kwargs={})
    places = output["mm_placeholders"]["image"]
    return len(output["prompt_token_ids"]), sum(_embeddings(place) for place in places)


def _embeddings(place: Any) -> int:
    """Embeddings of one placeholder: fewer than its tokens where it holds markers (0.12 and later)."""
    count = getattr(place, "get_num_embeds", None)
    return int(count() if callable(count) else place.length if count is None else count)
