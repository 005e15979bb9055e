"""The projector of InternVL's own format: pixels shuffled, a norm and two matrices, whole on every rank.

Source: vLLM 0.32, ``model_executor/models/internvl.py`` (``_init_mlp1``) and ``nvlm_d.py``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import LEAST_SHUFFLE_RATIO, text_width
from vlm_operator.model.towers.depth import within
from vlm_operator.model.towers.intern_vit import InternVit
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

PLACE = TowerPlace("vision_model", IMAGE_AND_VIDEO, data_parallel=True)


def merged_side(config: Config, otherwise: int = 2) -> int:
    """Patches a side that ``downsample_ratio`` makes one token."""
    ratio = config.number("downsample_ratio")
    if ratio and 0 < ratio <= 1:
        return max(1, round(1 / max(ratio, LEAST_SHUFFLE_RATIO)))
    return otherwise


def selected_intern_vit(config: Config, *, more_heads: int = 0) -> InternVit:
    """InternViT up to ``select_layer``.

    Args:
        config: the whole config.
        more_heads: heads that vLLM adds.

    Raises:
        UnknownFact: another tower, or no layer.
        InputError: the tower has no such layer.
    """
    vision = config.section("vision_config")
    if vision.text("model_type", "intern_vit_6b") not in {"intern_vit_6b", "internvl_vision"}:
        field = vision.field("model_type")
        raise UnknownFact(f"{field}: {vision.text('model_type')!r} is not a known tower of InternVL", field=field)
    whole, selected = vision.integer("num_hidden_layers"), config.values.get("select_layer", -1)
    if isinstance(selected, bool) or not isinstance(selected, int):
        raise UnknownFact(f"select_layer: {str(selected)[:40]!r} is not a layer", field="select_layer")
    return InternVit.read(
        vision,
        merge_size=merged_side(config),
        output_size=text_width(config),
        built=within(config, "select_layer", whole + selected + 1 if selected < 0 else selected + 1, whole),
        more_heads=more_heads,
    )


def shuffled_weights(wrapper: Wrapper, tower: InternVit, between: int, *, bias: bool = True) -> None:
    """Tower, projector, language model.

    Args:
        wrapper: the model being read.
        tower: its tower.
        between: width between the projector's matrices.
        bias: both have biases.
    """
    config, hidden = wrapper.config, wrapper.text.hidden_size
    tower.build(wrapper.collection, PLACE)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    inputs = tower.width * int(1 / ratio) ** 2
    projector = wrapper.projector("mlp1", modalities=IMAGE_AND_VIDEO, sharded=False)
    projector.norm("0", inputs, bias=True)
    projector.linear("1", between, inputs, bias=bias, quantizable=False)
    projector.linear("3", hidden, between, bias=bias, quantizable=False)
    wrapper.read_language(section="llm_config" if config.has("llm_config") else "text_config")


def plain_shuffled_weights(wrapper: Wrapper) -> None:
    """The common case: as wide between the matrices as the language model."""
    shuffled_weights(wrapper, selected_intern_vit(wrapper.config), wrapper.text.hidden_size)
