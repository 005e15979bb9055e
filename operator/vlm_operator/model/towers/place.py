"""Where a tower stands in a model, and what vLLM does with it there."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.model.facts import Component
from vlm_operator.model.weights.modules import Block, Collection


@dataclass(frozen=True, slots=True)
class TowerPlace:
    """A tower's place in one family.

    Attributes:
        prefix: vLLM's name of the tower.
        modalities: it is built where one of these is enabled.
        data_parallel: True where the family keeps it whole under ``--mm-encoder-tp-mode data``.
        quantizable: False where vLLM hands it no quantisation.
        sharded: False where it is whole on every rank.
    """

    prefix: str
    modalities: tuple[str, ...] = ("image", "video")
    data_parallel: bool = False
    quantizable: bool = True
    sharded: bool = True

    def part(self, collection: Collection, suffix: str = "", blocks: int = 1) -> Block:
        """A part of the tower; its blocks where ``suffix`` holds ``{}``."""
        return self._block(collection, suffix, blocks, Component.VISION_TOWER)

    def merger(self, collection: Collection, suffix: str, blocks: int = 1) -> Block:
        """A part that leads from the tower's width to the language model's."""
        return self._block(collection, suffix, blocks, Component.PROJECTOR)

    def _block(self, collection: Collection, suffix: str, blocks: int, component: Component) -> Block:
        return collection.tower(
            ".".join(filter(None, (self.prefix, suffix))),
            blocks,
            component=component,
            modalities=self.modalities,
            data_parallel=self.data_parallel,
            sharded=self.sharded,
            quantizable=self.quantizable,
        )
