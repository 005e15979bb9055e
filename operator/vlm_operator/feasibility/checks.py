"""The checks of one model on one GPU with one release: which there are, in which order, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final, NamedTuple

from vlm_operator.capacity.as_served import as_served
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility.adapters import adapters
from vlm_operator.feasibility.architecture_release import architecture_release
from vlm_operator.feasibility.attention_kernel import attention_kernel, cache_scales
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.element_type import element_type
from vlm_operator.feasibility.encoder_heads import encoder_heads
from vlm_operator.feasibility.flag_pairs import expert_parallelism, prompts_are_read_whole, whole_prompts
from vlm_operator.feasibility.gpu_generation import gpu_generation
from vlm_operator.feasibility.mig_slices import mig_slices
from vlm_operator.feasibility.pipeline_stages import pipeline_stages
from vlm_operator.feasibility.quantization_support import quantization_support
from vlm_operator.feasibility.quantized_shards import quantized_shards
from vlm_operator.feasibility.refusal import Infeasible
from vlm_operator.feasibility.sparse_attention import sparse_attention
from vlm_operator.feasibility.state_batch import state_batch, states_are_cached_by_block
from vlm_operator.feasibility.tensor_parallel import tensor_parallel
from vlm_operator.feasibility.whole_items import items_are_read_whole, whole_items
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts

Check = Callable[[Command], Infeasible | None]

CHECKS: Final[tuple[Check, ...]] = (
    architecture_release,
    gpu_generation,
    element_type,
    quantization_support,
    attention_kernel,
    sparse_attention,
    cache_scales,
    mig_slices,
    pipeline_stages,
    tensor_parallel,
    encoder_heads,
    quantized_shards,
    expert_parallelism,
    adapters,
)
"""In the order in which vLLM would come upon them; none of them reads one of ``SIZES``."""

SIZE_CHECKS: Final[tuple[tuple[Callable[[Command], bool], Check], ...]] = (
    (prompts_are_read_whole, whole_prompts),
    (items_are_read_whole, whole_items),
    (states_are_cached_by_block, state_batch),
)
"""Checks that read ``SIZES``, each with the question, which reads none of them, whether it can refuse anything."""

SIZES: Final = frozenset(
    {
        *("gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens"),
        *("enforce_eager", "mm_processor_kwargs", "media_io_kwargs"),
    }
)
"""Flags that a search for a plan varies most, and that no check reads without need."""

_OTHERS = attrgetter(*(flag for flag in EngineSettings.__dataclass_fields__ if flag not in SIZES))

_KEPT: Final = 512
"""Answers held for one model on one GPU."""


class _Answer(NamedTuple):
    """What is refused whatever the sizes, and the checks that are left for them."""

    refused: tuple[Infeasible, ...]
    left: tuple[Check, ...]


class Checks:
    """The checks of one model on one GPU with one release.

    What does not depend on ``SIZES`` is worked out once for flags that agree in the rest.
    """

    def __init__(self, model: ModelFacts, gpu: GPUFacts, version: EngineVersion) -> None:
        self._model, self._gpu, self._version = model, gpu, version
        self._known: dict[tuple[object, ...], _Answer] = {}
        self._last: tuple[tuple[object, ...], _Answer] | None = None

    def refusals(self, settings: EngineSettings) -> tuple[Infeasible, ...]:
        """What vLLM would refuse of these flags, requested or resolved; empty where it would start, memory aside."""
        flags, last = _OTHERS(settings), self._last
        if last is None or last[0] != flags:
            answer = self._known.get(flags)
            if answer is None:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                answer = self._known[flags] = self._answer(settings)
            self._last = last = flags, answer
        refused, left = last[1]
        if not left:
            return refused
        command = self._command(settings)
        return (*refused, *(found for check in left if (found := check(command)) is not None))

    def feasible(self, settings: EngineSettings, pinned: frozenset[str]) -> EngineSettings:
        """``settings`` with the changes that refusals name, as far as only free flags are touched.

        What comes of it may still be refused: ask ``refusals`` again.
        """
        tried: set[tuple[str, object]] = set()
        while True:
            changes = (found.change for found in self.refusals(settings) if found.change)
            change = next(
                (
                    change
                    for change in changes
                    if not any(flag in pinned or (flag, value) in tried for flag, value in change)
                ),
                None,
            )
            if change is None:
                return settings
            tried.update(change)
            settings = settings.with_(**dict(change))

    def _answer(self, settings: EngineSettings) -> _Answer:
        command = self._command(settings)
        left = tuple(check for concerns, check in SIZE_CHECKS if concerns(command))
        try:
            served = as_served(self._model, settings, self._version)
        except (InputError, UnknownFact):
            return _Answer((), left)  # planning says what is wrong with the flag, or not known of it
        at_load = self._model.quantization is None and served.quantization is not None
        command = Command(served, settings, self._gpu, self._version, quantized_at_load=at_load)
        return _Answer(tuple(found for check in CHECKS if (found := check(command)) is not None), left)

    def _command(self, settings: EngineSettings) -> Command:
        return Command(self._model, settings, self._gpu, self._version)


@cached_by_identity(2, kept=256)
def checks_of(model: ModelFacts, gpu: GPUFacts, version: EngineVersion) -> Checks:
    """The checks of this model on this GPU; the same object, with what it knows, when asked again."""
    return Checks(model, gpu, version)
