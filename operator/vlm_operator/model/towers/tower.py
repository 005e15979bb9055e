"""What every vision tower says of itself. A tower reads its section once; weights and memory come from the same fields.

A tower is a frozen dataclass: ``read`` fills it from the config's section and the defaults of the family's class,
``build`` collects its weight modules, ``facts`` gives what start-up memory depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from vlm_operator.engine.tower_traits import PLAIN_TOWER, Activation, TowerTraits
from vlm_operator.errors import InputError
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.modules import Block, Collection

_LARGEST_RATIO: Final = 64
"""No published tower is wider inside than some eight times its width."""


def widened(width: int, section: Config, key: str) -> int:
    """``width`` times the ratio under ``key``.

    Raises:
        InputError: the ratio is missing or out of range.
    """
    ratio = section.number(key) or 0
    if not 0 < ratio <= _LARGEST_RATIO:
        field = section.field(key)
        raise InputError(f"{field}: {section.values.get(key)} is not above 0 and up to {_LARGEST_RATIO}", field=field)
    return int(width * ratio)


def plain_activation(section: Config, usual: str = "") -> Activation:
    """The activation of plain MLPs, by ``hidden_act``.

    Args:
        section: the tower's, its class's defaults filled in.
        usual: what its class fills in.
    """
    name = section.text("hidden_act", usual) or usual
    return Activation.QUICK_GELU if name == "quick_gelu" else Activation.ONE_KERNEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """One tower: dimensions that every tower has. Sizes are whole, before tensor parallelism.

    Attributes:
        layers: blocks that vLLM builds.
        width: elements of a patch between blocks.
        inner: width of a block's MLP.
        heads: attention heads.
        patch_size: pixels along a patch.
        merge_size: patches a side that become one token.
        output_size: elements of one output as the language model takes it, one level; 0: the model's width.
        deepstack_levels: extra levels of features kept beside the output.
        kept_inputs: buffers of a batch's input embeddings that the model's class holds for levels of features.
        choice_bytes: bytes of an output while it is chosen among visual words.
    """

    traits: ClassVar[TowerTraits] = PLAIN_TOWER
    """What decides about its memory beside dimensions; a tower for which the config decides overrides
    ``memory_traits``."""

    layers: int
    width: int
    inner: int
    heads: int
    patch_size: int
    merge_size: int
    output_size: int
    deepstack_levels: int = 0
    kept_inputs: int = 0
    choice_bytes: int = 0

    @property
    def memory_traits(self) -> TowerTraits:
        """The traits of this tower as configured."""
        return self.traits

    @property
    def facts(self) -> VisionTower:
        """What start-up memory depends on."""
        return VisionTower(
            layers=self.layers,
            hidden_size=self.width,
            intermediate_size=self.inner,
            attention_heads=self.heads,
            patch_size=self.patch_size,
            merge_size=self.merge_size,
            output_size=self.output_size,
            deepstack_levels=self.deepstack_levels,
            traits=self.memory_traits,
            frames=self.patch_frames,
            kept_inputs=self.kept_inputs,
            choice_bytes=self.choice_bytes,
        )

    @property
    def patch_frames(self) -> int:
        """Frames of a video that one patch spans; a tower whose patches span several overrides it."""
        return 1

    @property
    def head_size(self) -> int:
        """Elements of one head."""
        return self.width // self.heads

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Collect the weight modules of the tower, with the parts that merge its patches."""
        raise NotImplementedError

    def mlp(self, blocks: Block, names: tuple[str, str] = ("", ""), *, bias: bool, module: str = "mlp") -> None:
        """The MLP of each block: gated or plain as the traits say, so that weights and memory agree.

        Args:
            blocks: the tower's blocks.
            names: of the two matrices of a plain MLP.
            bias: both have biases.
            module: vLLM's name of the MLP.
        """
        if self.memory_traits.gated:
            blocks.gated_mlp(module, self.width, self.inner, bias=bias)
        else:
            blocks.mlp(module, self.width, self.inner, names, bias=bias)
