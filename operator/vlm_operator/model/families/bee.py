"""R-4B and Bee: LLaVA-NeXT's count over the config's own resolutions, a normed projector, whole on every rank.

Source: vLLM 0.32 and 0.33 ``model_executor/models/rvl.py`` and ``bee.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import pinpoints, selected_tokens
from vlm_operator.model.processors import AnyResolution, MultimodalFacts
from vlm_operator.model.towers.named import named_tower, place_of
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.two_layer_projector import line_break
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_BEE: Final = "BeeForConditionalGeneration"
_PLACE: Final = TowerPlace("vision_tower", IMAGE)


def _tower(config: Config) -> Tower:
    return named_tower(config, "siglip_vision_model", text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """R-4B and Bee: LLaVA-NeXT's count over the config's own pinpoints; Bee scales large grids down.

    Raises:
        UnknownFact: ``image_grid_pinpoints`` is missing: it has no known default.
    """
    side, patches, base = selected_tokens(config, "full")
    listed = pinpoints(config, (), side)
    if not listed:
        raise UnknownFact(
            "image_grid_pinpoints is missing from the config and has no known default",
            field="image_grid_pinpoints",
            hint="give the model's complete config.json",
        )
    bee = _is_bee(config)
    family = config.text("model_type") or ("bee" if bee else "rvl")
    return MultimodalFacts(
        family, ("image",), AnyResolution(side, patches, base, listed, max_tiles=_any_resolution_tiles(config, bee))
    )


def _any_resolution_tiles(config: Config, bee: bool) -> int:
    """Tiles of ``vision_aspect_ratio`` (``anyres_max_9``); 0 for a family that does not read it."""
    if not bee:
        return 0
    text = config.text("vision_aspect_ratio", "anyres_max_9") or "anyres_max_9"
    digits = text.removeprefix("anyres_max_")
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:6]) == int(digits)):
        raise InputError(f"vision_aspect_ratio: {text[:40]!r} is not anyres_max_N", field="vision_aspect_ratio")
    return int(digits)


def _is_bee(config: Config) -> bool:
    return _BEE in (config.items("architectures") or [])


def _weights(wrapper: Wrapper) -> None:
    """Bee's projector is four times as wide between its matrices as the language model."""
    line_break(wrapper)
    tower, hidden = _tower(wrapper.config), wrapper.text.hidden_size
    tower.build(wrapper.collection, place_of(tower, _PLACE))
    between = 4 * hidden if _is_bee(wrapper.config) else hidden
    projector = wrapper.projector(sharded=False)
    projector.norm("pre_norm", tower.width, bias=True)
    projector.linear("linear_1", between, tower.width, bias=True, quantizable=False)
    projector.linear("linear_2", hidden, between, bias=True, quantizable=False)
    wrapper.read_language()


FAMILY: Final = Family(
    name="bee",
    variants=(
        Variant(architecture=_BEE),
        Variant(architecture="RForConditionalGeneration"),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
