"""What every language model has: embeddings, final norm, output matrix, rotary table, and layers in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlm_operator.errors import InputError
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType, Stage, TextFacts
from vlm_operator.model.weights.class_defaults import positions_of
from vlm_operator.model.weights.modules import Block, Collection
from vlm_operator.model.weights.rotary import rope_parameters, rotary_elements

MOST_LAYERS = 4096
"""More decoder layers than any model has; a config that says more is refused before it costs memory."""


def layer_numbers(count: int) -> tuple[int, ...]:
    """Numbers of ``count`` layers.

    Raises:
        InputError: more layers than any model has.
    """
    if count > MOST_LAYERS:
        raise InputError(
            f"num_hidden_layers: {count} is more than {MOST_LAYERS}",
            field="num_hidden_layers",
            hint="check the config; no model has that many layers",
        )
    return tuple(range(count))


@dataclass(slots=True)
class Language:
    """One language model being read: its section of the config, its dimensions, and where its modules go.

    Attributes:
        config: the section that holds the language model's fields (``text_config``, or the whole config).
        text: its dimensions, defaults filled.
        collection: where modules are collected.
        prefix: what stands before ``model`` in vLLM's names (``language_model`` inside a wrapper).
        multimodal_rotary_factor: rows a position of a multimodal rotary table.
        root: what vLLM calls the part that most families call ``model``.
        every_stage: True for families whose embeddings, final norm and head vLLM builds on every stage of a pipeline,
            used there or not; the family's reader sets it.
    """

    config: Config
    text: TextFacts
    collection: Collection
    prefix: str = ""
    multimodal_rotary_factor: int = 4
    root: str = "model"
    every_stage: bool = False
    _rotary_seen: set[object] = field(default_factory=set)

    def name(self, suffix: str) -> str:
        """A name inside this language model."""
        if suffix == "model" or suffix.startswith("model."):
            suffix = self.root + suffix[len("model") :]
        return f"{self.prefix}.{suffix}" if self.prefix else suffix

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of all decoder layers."""
        return layer_numbers(self.text.layers)

    @property
    def positions(self) -> int:
        """``max_position_embeddings``, or the default of the config class."""
        kind = self.config.text("model_type") or ""
        return self.config.integer("max_position_embeddings", positions_of(kind))

    def rope(self, layer_type: str | None = None) -> Mapping[str, Any]:
        """Parameters of the rotary embeddings."""
        return rope_parameters(self.config, layer_type)

    def layers(self, numbers: Sequence[int] | None = None, prefix: str = "model.layers.{}") -> Block:
        """A block over decoder layers, all of them or some."""
        return self.collection.layers(self.name(prefix), self.numbers if numbers is None else numbers)

    def embeddings(self, name: str = "model.embed_tokens", rows: int = 0, columns: int = 0) -> None:
        """Input embeddings; on the last stage of a pipeline too where the head is tied to them."""
        stage = self.first
        rows, columns = rows or self.text.vocab_size, columns or self.text.hidden_size
        self.collection.vocabulary(self.name(name), Component.EMBEDDING, rows, columns, stage)

    def final_norm(self, name: str = "model.norm", *, bias: bool = False) -> None:
        """The norm after the last layer."""
        parent, _, last = name.rpartition(".")
        self.end(parent, self._last).norm(last, self.text.hidden_size, bias=bias)

    @property
    def first(self) -> Stage:
        """Stages that hold the input embeddings."""
        if self.every_stage:
            return Stage.EVERY
        return Stage.ENDS if self.text.tie_word_embeddings else Stage.FIRST

    @property
    def _last(self) -> Stage:
        return Stage.EVERY if self.every_stage else Stage.LAST

    def end(self, prefix: str, stage: Stage = Stage.LAST) -> Block:
        """A block of its own on the last (or another) stage."""
        return self.collection.at(self.name(prefix), Component.LANGUAGE_LAYERS, stage)

    def head(self, name: str = "lm_head", *, bias: bool = False, rows: int = 0) -> None:
        """The output matrix, unless it is the embeddings'."""
        if self.text.tie_word_embeddings:
            return
        self.collection.vocabulary(
            self.name(name),
            Component.HEAD,
            rows or self.text.vocab_size,
            self.text.hidden_size,
            self._last,
            bias=bias,
            quantizable=True,
        )

    def rotary(
        self,
        head_size: int = 0,
        *,
        layer_type: str | None = None,
        positions: int = 0,
        dtype: DType | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> None:
        """The table of rotary embeddings; equal tables are kept once, as vLLM does."""
        head_size = head_size or self.text.head_size
        positions = positions or self.positions
        parameters = {**rope_parameters(self.config, layer_type), **(overrides or {})}
        key = (head_size, positions, repr(sorted(parameters.items(), key=lambda pair: pair[0])))
        if key in self._rotary_seen:
            return
        self._rotary_seen.add(key)
        elements = rotary_elements(
            parameters,
            head_size,
            positions,
            multimodal_factor=self.multimodal_rotary_factor,
            field=self.config.field("rope_parameters"),
        )
        self.end("model", Stage.EVERY).tensor("rotary_emb.cos_sin_cache", elements, dtype=dtype)

    def attention(
        self, block: Block, *, bias: bool = False, output_bias: bool = False, module: str = "self_attn"
    ) -> None:
        """Grouped-query attention under the names most families use."""
        text = self.text
        block.qkv(module, text.attention_heads, text.kv_heads, text.head_size, text.hidden_size, bias=bias)
        block.row(f"{module}.o_proj", text.hidden_size, text.attention_heads * text.head_size, bias=output_bias)
        block.attention_scales(f"{module}.attn")

    def frame(self, *, head_bias: bool = False, norm_bias: bool = False, every_stage: bool = False) -> None:
        """Embeddings, final norm and head under the names most families use."""
        self.every_stage = every_stage
        self.embeddings()
        self.final_norm(bias=norm_bias)
        self.head(bias=head_bias)

    def tied(self, tie: bool) -> None:
        """For families whose head is always the embeddings', or never."""
        self.text = replace(self.text, tie_word_embeddings=tie)

    def with_(self, **changes: object) -> Language:
        """The same with these attributes changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


LanguageReader = Callable[[Language], None]
