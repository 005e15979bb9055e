"""Granite 4 Vision: LLaVA-NeXT's count over grids that Q-Formers shrink, one for each level of features.

Every block's output is kept; Q-Formers turn some of them into features that are added to the input of later layers of
the language model. The model's class holds a batch of such inputs for each level.

Source: vLLM 0.32 and 0.33 ``model_executor/models/granite4_vision.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Final

from vlm_operator.engine.tower_traits import Rotation, TowerKind, TowerTraits
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import pinpoints, selected_tokens
from vlm_operator.model.processors import AnyResolution, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights import dense
from vlm_operator.model.weights.qformer import qformer
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_tower.vision_model", IMAGE)
_QUERY_HEAD: Final = 64
_QFORMER_INNER: Final = 3072
_SPATIAL_PROJECTORS: Final = 4
"""One for each corner of a square of 2 x 2 patches, whatever ``spatial_target_layers`` lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tower(SquareTower):
    """SigLIP, all blocks of it, their outputs kept."""

    own_traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.EVERY_BLOCK_KEPT, rotation=Rotation.NONE)

    @property
    def memory_traits(self) -> TowerTraits:
        """Nothing is rotated; every output stays."""
        return self.own_traits


def _tower(config: Config) -> _Tower:
    """The tower; its output holds all levels side by side."""
    rate = _rate(config)
    levels = _levels(config)
    tower = _Tower.read(
        config.section("vision_config"),
        SIGLIP,
        merge_size=-(-rate.denominator // rate.numerator),
        output_size=levels * text_width(config),
        post_norm=False,
    )
    return replace(tower, kept_inputs=levels)


def _levels(config: Config) -> int:
    """Levels of features: of blocks that ``deepstack_layer_map`` lists, and of ``spatial_target_layers``."""
    return len(_listed(config, "deepstack_layer_map")) + len(_listed(config, "spatial_target_layers"))


def _listed(config: Config, key: str) -> list[Any]:
    listed = config.items(key)
    if listed is None and key == "spatial_target_layers":
        return [12, 15, 18, 21]  # ``Granite4VisionConfig``
    if listed is None:
        raise _missing(key)
    return listed


def _missing(field: str) -> UnknownFact:
    return UnknownFact(
        f"{field} is missing from the config and has no known default",
        field=field,
        hint="give the model's complete config.json",
    )


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    wrapper.projector("", sharded=False).tensor("image_newline", wrapper.text.hidden_size)
    mapped = len(_listed(config, "deepstack_layer_map"))
    for index in range(mapped):
        _downsampler(wrapper, tower, f"layerwise_projectors.{index}")
    for index in range(_SPATIAL_PROJECTORS):
        _downsampler(wrapper, tower, f"spatial_projectors.{index}")
    dense.granite(wrapper.language())


def _downsampler(wrapper: Wrapper, tower: _Tower, prefix: str) -> None:
    """A Q-Former of one block over windows of patches, its heads of 64, and the matrix to the language model."""
    width = tower.width
    query, window = _sides(wrapper.config)
    if width % _QUERY_HEAD:
        field = "vision_config.hidden_size"
        raise InputError(f"{field}: {width} is not a multiple of {_QUERY_HEAD}", field=field)
    qformer(wrapper, f"{prefix}.qformer", width=width, inner=_QFORMER_INNER, blocks=1, step=1, source=width)
    top = wrapper.projector(prefix, sharded=False)
    top.norm("norm", width, bias=True)
    top.tensor("query", query**2 * width)
    top.tensor("image_positions", window**2 * width)
    top.linear("out_linear", wrapper.text.hidden_size, width, bias=True, quantizable=False)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-NeXT's count over a grid that a Q-Former shrinks by ``downsample_rate`` (``4/8``).

    Raises:
        UnknownFact: ``image_grid_pinpoints`` or ``downsample_rate`` is missing: neither has a known default.
    """
    side, patches, _ = selected_tokens(config, "full")
    listed = pinpoints(config, (), side)
    if not listed:
        raise _missing("image_grid_pinpoints")
    rate = _rate(config)
    shrunk = int(patches * rate)
    if not shrunk:
        raise InputError(f"downsample_rate: {rate} leaves nothing of {patches} patches a side", field="downsample_rate")
    return MultimodalFacts("granite4_vision", ("image",), AnyResolution(side, shrunk, shrunk * shrunk, listed))


def _rate(config: Config) -> Fraction:
    """Sides of a window of queries over those of a window of patches, above 0 and at most 1."""
    query, window = _sides(config)
    ratio = Fraction(query, window)
    if not 0 < ratio <= 1:
        value = config.values.get("downsample_rate")
        raise InputError(f"downsample_rate: {value!r} is not a ratio above 0 and up to 1", field="downsample_rate")
    return ratio


def _sides(config: Config) -> tuple[int, int]:
    """``downsample_rate``, which vLLM takes apart as ``4/8``: queries a side of a window, and patches.

    Raises:
        InputError: another form, or a side that no image has.
        UnknownFact: it is missing.
    """
    value = config.text("downsample_rate")
    if value is None:
        raise _missing("downsample_rate")
    query, _, window = value.partition("/")
    if not (query.isdecimal() and window.isdecimal() and 0 < int(window) <= 1024 and 0 < int(query) <= 1024):
        raise InputError(f"downsample_rate: {value[:40]!r} is not a ratio such as 4/8", field="downsample_rate")
    return int(query), int(window)


FAMILY: Final = Family(
    name="granite4_vision",
    variants=(
        Variant(
            architecture="Granite4VisionForConditionalGeneration",
            model_types=("granite4_vision",),
            text=LanguageModel(architecture="GraniteForCausalLM"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    renames=(
        ("model.language_model.", "language_model.model."),
        ("model.vision_tower.", "vision_tower."),
        ("model.layerwise_projectors.", "layerwise_projectors."),
        ("model.spatial_projectors.", "spatial_projectors."),
        ("lm_head.", "language_model.lm_head."),
    ),
)
