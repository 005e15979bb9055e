"""One vision-language model being read: its sections with defaults filled, and its language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import TEXT_DEFAULTS, TEXT_MODEL_TYPES
from vlm_operator.model.facts import Component, TextFacts
from vlm_operator.model.weights.class_defaults import NEVER_TIED_UNLESS_SAID, TIED_IF_EITHER_SAYS, filled
from vlm_operator.model.weights.families import LANGUAGE_MODELS, LANGUAGE_OF_MODEL_TYPE
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import strings
from vlm_operator.model.weights.modules import Block, Collection

IMAGE = ("image",)
IMAGE_AND_VIDEO = ("image", "video")

VISION_TYPES: Final[Mapping[str, str]] = {
    "qwen2_5_omni_thinker": "qwen2_5_omni_vision_encoder",
    "qwen2_5_vl": "qwen2_5_vl_vision",
    "qwen3_5": "qwen3_5_vision",
    "qwen3_5_moe": "qwen3_5_moe_vision",
    "qwen3_vl": "qwen3_vl_vision",
    "qwen3_vl_moe": "qwen3_vl_moe_vision",
}
"""``model_type`` of a vision section that does not say, by ``model_type`` of the whole."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One vision-language model being read.

    Attributes:
        config: the whole config.
        text: dimensions of its language model.
        collection: where modules are collected.
        architecture: class name of the whole model.
    """

    config: Config
    text: TextFacts
    collection: Collection
    architecture: str

    @property
    def vision(self) -> Config:
        """The vision tower's section, its class's defaults filled."""
        return _filled_by(self.config.section("vision_config"), VISION_TYPES.get(self.kind))

    @property
    def kind(self) -> str:
        """``model_type`` of the whole."""
        return self.config.text("model_type") or ""

    def language(
        self, *, prefix: str = "language_model", section: str = "text_config", factor: int = 4, root: str = "model",
        own_word: bool = False, kind: str | None = None,
    ) -> Language:  # fmt: skip
        """The language model, to be read.

        Args:
            prefix: what stands before its modules' names.
            section: where its fields are; the whole config where it has no such section.
            factor: rows a position of a multimodal rotary table.
            root: what vLLM calls its ``model``.
            own_word: True for families whose language model asks its own section whether the head is tied.
            kind: ``model_type`` whose defaults fill the section, where the family decides that.
        """
        config = self.config.section(section)
        if not config.values:
            config = self.config
        config = filled(config, kind) if kind else _filled_by(config, TEXT_MODEL_TYPES.get(self.kind))
        text = replace(self.text, tie_word_embeddings=self._tied(config, own_word=own_word))
        return Language(config, text, self.collection, prefix, factor, root)

    def _tied(self, section: Config, *, own_word: bool) -> bool:
        if own_word:
            defaults = TEXT_DEFAULTS.get(section.text("model_type") or "", {})
            return section.boolean("tie_word_embeddings", bool(defaults.get("tie_word_embeddings", False)))
        if self.kind in TIED_IF_EITHER_SAYS:
            return any(place.boolean("tie_word_embeddings", False) for place in (self.config, section))
        if self.kind in NEVER_TIED_UNLESS_SAID:
            return self.config.boolean("tie_word_embeddings", False)
        # Where neither place says, some classes of whole configs (Mistral 3, InternVL) say yes and those of their
        # language models no: vLLM then keeps the head, which such checkpoints hold (``maybe_untie_word_embeddings``).
        return self.text.tie_word_embeddings

    def read_language(
        self, *, prefix: str = "language_model", section: str = "text_config", factor: int = 4, root: str = "model",
        own_word: bool = False, kind: str | None = None,
    ) -> None:  # fmt: skip
        """Read the language model by the architecture or type its section names.

        Raises:
            UnknownFact: neither is known.
        """
        language = self.language(prefix=prefix, section=section, factor=factor, root=root, own_word=own_word, kind=kind)
        architectures = strings(language.config, "architectures")
        kind = language.config.text("model_type") or ""
        name = next((a for a in architectures if a in LANGUAGE_MODELS), None) or LANGUAGE_OF_MODEL_TYPE.get(kind)
        if name is None:
            field = language.config.field("model_type")
            raise UnknownFact(
                f"{field}: the weights of a language model of type {kind!r} are not known",
                field=field,
                hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
            )
        LANGUAGE_MODELS[name](language)

    def projector(
        self, prefix: str = "multi_modal_projector", *, modalities: tuple[str, ...] = IMAGE, sharded: bool = True,
        data_parallel: bool = False,
    ) -> Block:  # fmt: skip
        """A block for the projector."""
        return self.collection.tower(
            prefix,
            1,
            component=Component.PROJECTOR,
            modalities=modalities,
            sharded=sharded,
            data_parallel=data_parallel,
        )


def _filled_by(section: Config, otherwise: str | None) -> Config:
    return filled(section, section.text("model_type") or otherwise)
