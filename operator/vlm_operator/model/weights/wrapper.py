"""One vision-language model being read: its sections with defaults filled, and its language model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlm_operator.errors import UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import nested_type, text_defaults
from vlm_operator.model.facts import Component, TextFacts
from vlm_operator.model.family import Tying
from vlm_operator.model.weights.class_defaults import filled
from vlm_operator.model.weights.families import LANGUAGE_OF_MODEL_TYPE, language_reader
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import strings
from vlm_operator.model.weights.modules import Block, Collection

IMAGE = ("image",)
IMAGE_AND_VIDEO = ("image", "video")


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
    def kind(self) -> str:
        """``model_type`` of the whole."""
        return self.config.text("model_type") or ""

    def language(
        self, *, prefix: str = "language_model", section: str = "text_config", factor: int | None = None,
        root: str = "model", own_word: bool = False, kind: str | None = None,
    ) -> Language:  # fmt: skip
        """The language model, to be read.

        Args:
            prefix: what stands before its modules' names.
            section: where its fields are; the whole config where it has no such section.
            factor: rows a position of a multimodal rotary table; None: as the family's record says, else 4.
            root: what vLLM calls its ``model``.
            own_word: True for families whose language model asks its own section whether the head is tied.
            kind: ``model_type`` whose defaults fill the section, where the family decides that.
        """
        config = self.config.section(section)
        if not config.values:
            config = self.config
        config = filled(config, kind) if kind else _filled_by(config, nested_type(self.kind))
        known = registry.by_architecture(self.architecture)
        tying = known.family.tying if known else None
        if factor is None:
            factor = known.family.rotary_rows.newest if known else 4
        text = replace(self.text, tie_word_embeddings=self._tied(config, Tying.SECTION if own_word else tying))
        return Language(config, text, self.collection, prefix, factor, root)

    def _tied(self, section: Config, tying: Tying | None) -> bool:
        if tying is Tying.SECTION:
            defaults = text_defaults(section.text("model_type") or "")
            return section.boolean("tie_word_embeddings", bool(defaults.get("tie_word_embeddings", False)))
        if tying is Tying.EITHER:
            return any(place.boolean("tie_word_embeddings", False) for place in (self.config, section))
        if tying is Tying.WHOLE:
            return self.config.boolean("tie_word_embeddings", False)
        # Where neither place says, some classes of whole configs (Mistral 3, InternVL) say yes and those of their
        # language models no: vLLM then keeps the head, which such checkpoints hold (``maybe_untie_word_embeddings``).
        return self.text.tie_word_embeddings

    def read_language(
        self, *, prefix: str = "language_model", section: str = "text_config", factor: int | None = None,
        root: str = "model", own_word: bool = False, kind: str | None = None,
    ) -> None:  # fmt: skip
        """Read the language model by the architecture or type its section names.

        Raises:
            UnknownFact: neither is known.
        """
        language = self.language(prefix=prefix, section=section, factor=factor, root=root, own_word=own_word, kind=kind)
        architectures = strings(language.config, "architectures")
        kind = language.config.text("model_type") or ""
        readers = [language_reader(name) for name in (*architectures, LANGUAGE_OF_MODEL_TYPE.get(kind, ""))]
        reader = next((reader for reader in readers if reader is not None), None)
        if reader is None:
            field = language.config.field("model_type")
            raise UnknownFact(
                f"{field}: the weights of a language model of type {kind!r} are not known",
                field=field,
                hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
            )
        reader(language)

    def read_own_language(
        self, *, prefix: str = "language_model", own_word: bool = False, kind: str | None = None
    ) -> None:
        """Read the language model that the family's record names, or that its section does where the record does not.

        Args:
            prefix: what stands before its modules' names.
            own_word: its section alone says whether the head is tied, whatever the record says.
            kind: ``model_type`` whose defaults fill the section, where the family decides that.

        Raises:
            UnknownFact: its weights are not known.
        """
        known = registry.by_architecture(self.architecture)
        text = known.variant.text if known else None
        reader = language_reader(text.architecture) if text else None
        if reader is None:
            self.read_language(prefix=prefix, own_word=own_word, kind=kind)
        else:
            reader(self.language(prefix=prefix, own_word=own_word, kind=kind))

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
