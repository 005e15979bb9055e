"""The projector of two matrices from a tower to the language model (0.32: ``models/llava.py``,
``LlavaMultiModalProjector``, and the classes made after it)."""

from __future__ import annotations

from vlm_operator.model.facts import Component
from vlm_operator.model.weights.wrapper import Wrapper


def divided_projector(wrapper: Wrapper, width: int) -> None:
    """Both matrices divided over ranks.

    Args:
        wrapper: the model being read.
        width: elements of a tower's output.
    """
    hidden, bias = wrapper.text.hidden_size, wrapper.config.boolean("multimodal_projector_bias", True)
    projector = wrapper.projector()
    projector.column("linear_1", hidden, width, bias=bias)
    projector.row("linear_2", hidden, hidden, bias=bias)


def whole_projector(wrapper: Wrapper, width: int, modalities: tuple[str, ...]) -> None:
    """Both matrices whole on every rank, never quantised.

    Args:
        wrapper: the model being read.
        width: elements of a tower's output.
        modalities: it is built where one of these is enabled.
    """
    hidden, bias = wrapper.text.hidden_size, wrapper.config.boolean("multimodal_projector_bias", True)
    projector = wrapper.projector(modalities=modalities, sharded=False)
    projector.linear("linear_1", hidden, width, bias=bias, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=bias, quantizable=False)


def line_break(wrapper: Wrapper) -> None:
    """The learned embedding between rows of tiles."""
    wrapper.collection.at("", Component.PROJECTOR).tensor("image_newline", wrapper.text.hidden_size)
