"""MobileNet V5: a network of convolutions, whole on every rank.

Sources: PyTorch Image Models 1.0.31, ``timm/models/mobilenetv5.py`` (``mobilenetv5_300m_enc``); vLLM 0.32,
``model_executor/models/gemma3n_mm.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_USUAL: Final = "mobilenetv5_300m_enc"
_PARAMETERS: Final = {_USUAL: 294_126_912}
"""Parameters and buffers by ``vision_config.architecture``."""
_CELL: Final = 48
"""Pixels along an output: an image of 768 pixels becomes 16 by 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionsTower(Tower):
    """The network.

    Attributes:
        parameters: of the whole network.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.CONVOLUTIONS)

    parameters: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The network of this section.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model.

        Raises:
            UnknownFact: another architecture.
        """
        architecture = vision.text("architecture", _USUAL) or _USUAL
        if architecture not in _PARAMETERS:
            field = vision.field("architecture")
            raise UnknownFact(f"{field}: the network {architecture[:40]!r} is not known", field=field)
        channels = vision.integer("hidden_size", 2048)
        return cls(
            layers=1,
            width=channels,
            inner=channels,
            heads=1,
            patch_size=_CELL,
            merge_size=1,
            output_size=output_size,
            parameters=_PARAMETERS[architecture],
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """All of it as one."""
        place.part(collection).tensor("timm_model", self.parameters)
