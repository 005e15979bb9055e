"""What this project knows of one model family, in one record. ``docs/adding-a-family.md`` shows how one is written.

A file of ``model.families`` holds one record under the name ``FAMILY``; ``model.registry`` finds it by an architecture
or a ``model_type``. Everything that other rooms ask of a family is a field here or a function that the record names, so
that no other file knows the family by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.facts import FamilyTraits

if TYPE_CHECKING:
    from vlm_operator.model.cache_layers_attention import Caches
    from vlm_operator.model.config import Config
    from vlm_operator.model.multimodal.preprocessor import Preprocessor
    from vlm_operator.model.processors import MultimodalFacts
    from vlm_operator.model.text_config import TextConfig
    from vlm_operator.model.towers.place import TowerPlace
    from vlm_operator.model.towers.tower import Tower
    from vlm_operator.model.weights.language import Language
    from vlm_operator.model.weights.wrapper import Wrapper

Renames = tuple[tuple[str, str], ...]
"""What a module's name begins with in the checkpoint, and in vLLM; the first that fits counts."""


class Tying(Enum):
    """Whose ``tie_word_embeddings`` decides whether the output matrix is the embeddings' (0.32:
    ``VllmConfig.with_hf_config``)."""

    INHERITED = "inherited"
    """The whole config's, else the language model's section, else its class's default."""
    WHOLE = "whole"
    """The whole config's, whose class says false where it is missing."""
    EITHER = "either"
    """Tied where the whole config or the language model's section says so."""
    SECTION = "section"
    """The language model's section alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """The language model that an architecture of the family wraps.

    Attributes:
        architecture: the class that vLLM builds for it, by its name in vLLM's registry.
        model_type: ``model_type`` of its section; the one taken where the section names none. Empty where the config
            holds the language model at the top.
        defaults: dimensions that its config class fills in (``config_defaults.text_class``).
        weight_defaults: further fields that weights depend on, filled in where they are missing.
        window_only_if_used: its config class drops ``sliding_window`` unless ``use_sliding_window`` says otherwise.
        global_heads: its layers with full attention have heads of their own, in ``global_head_dim`` and
            ``num_global_key_value_heads``.
        weights: collects its modules; None: the reader of ``architecture`` in ``model.weights.families``.
        caches: what its layers cache; None: the rule of ``architecture`` in ``model.cache_layers``.
    """

    architecture: str
    model_type: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    weight_defaults: Mapping[str, Any] = field(default_factory=dict)
    window_only_if_used: bool = False
    global_heads: bool = False
    weights: Callable[[Language], None] | None = None
    caches: Callable[[TextConfig], Caches] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One architecture of a family.

    Attributes:
        architecture: the class name in ``config.json`` (vLLM's ``model_executor/models/registry.py``).
        model_types: ``model_type`` of whole configs with this architecture; the first is the usual one.
        text: the language model it wraps; None where the nested section's ``model_type`` decides.
        nested: ``model_type`` of a nested section that names none, where ``text`` is None.
        weights_known: False where what vLLM builds was not read.
    """

    architecture: str
    model_types: tuple[str, ...] = ()
    text: LanguageModel | None = None
    nested: str = ""
    weights_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One model family.

    Attributes:
        name: its name, also that of its file.
        variants: its architectures.
        section: a section that no other family's config has, for configs that name neither architecture nor type.
        tower: reads the vision tower from the whole config; ``UnknownFact`` where it is not known; None for a family
            that only hears.
        hears: reads what an audio encoder takes at start-up; None where there is none, or it is not known.
        place: where the tower stands in vLLM's model.
        tokens: reads how images, videos and sounds become tokens, from the whole config and the preprocessor files.
        weights: collects what vLLM builds; None: the tower, then the language model.
        tying: whose word decides about tied embeddings.
        renames: module names of checkpoints that vLLM changes (``hf_to_vllm_mapper`` of its class).
        prefix_item_tokens: tokens of the largest item that one batch must hold because tokens of an item attend both
            ways, 0 where no window makes that matter; None where attention is causal (vLLM's ``is_mm_prefix_lm``).
        video_backends: its loaders of videos, by the names that vLLM registers (``VIDEO_LOADER_REGISTRY``).
        rotary_rows: rows a position of its multimodal rotary table.
        reads_limits_early: its class read ``--limit-mm-per-prompt`` before 0.15.
        pixels: what the pixels of its items are when they reach the GPU.
        start_ups: published start-ups that profiled its encoder (ids of ``docs/accuracy.md``).
        simulated: the profiling run of its encoder was simulated in vLLM's own code (``docs/accuracy.md``), and what it
            took is within a tenth of our figure.
    """

    name: str
    variants: tuple[Variant, ...]
    place: TowerPlace
    tokens: Callable[[Config, Preprocessor], MultimodalFacts]
    tower: Callable[[Config], Tower | None] | None = None
    hears: Callable[[Config], AudioTower | None] | None = None
    section: str = ""
    weights: Callable[[Wrapper], None] | None = None
    tying: Tying = Tying.INHERITED
    renames: Renames = ()
    prefix_item_tokens: Callable[[Config, TextConfig], int | None] | None = None
    video_backends: Mapping[str, FrameLoader] = field(default_factory=dict)
    rotary_rows: RotaryRows = RotaryRows.FOUR
    reads_limits_early: bool = False
    pixels: Pixels = Pixels.PREPARED
    start_ups: tuple[str, ...] = ()
    simulated: bool = False

    def traits(self, *, prefix_attention: bool) -> FamilyTraits:
        """What the rules of a release ask of it."""
        return FamilyTraits(
            encoder_measured=bool(self.start_ups),
            encoder_simulated=self.simulated,
            prefix_attention=prefix_attention,
            reads_limits_early=self.reads_limits_early,
            rotary_rows=self.rotary_rows,
            pixels=self.pixels,
        )
