"""What is known of one vLLM flag: its spelling, its kind of value, and what it does to memory.

Each field of ``EngineSettings`` declares its flag once, as metadata; every list of flags is derived from that
(``engine.flags``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.engine.version import EngineVersion

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_KEY: Final = "flag"


class Kind(Enum):
    """The kind of value that a flag takes, which decides how it is read, rendered and stored."""

    COUNT = auto()
    """A whole number of at least 1: ``--max-num-seqs 64``."""
    TOKENS = auto()
    """The same, also in vLLM's short spellings: ``--max-num-batched-tokens 8k``."""
    CONTEXT = auto()
    """The same, or ``auto``: ``--max-model-len 32K``."""
    SIZE = auto()
    """Bytes: ``--kv-cache-memory-bytes 9663676416``."""
    SHARE = auto()
    """A number above 0 and at most 1: ``--gpu-memory-utilization 0.9``."""
    SWITCH = auto()
    """Off unless given: ``--enforce-eager``."""
    TOGGLE = auto()
    """vLLM decides unless given, on or off: ``--async-scheduling``, ``--no-async-scheduling``."""
    NAME = auto()
    """A word: ``--kv-cache-dtype fp8``."""
    OBJECT = auto()
    """A JSON object, kept as text with sorted keys: ``--mm-processor-kwargs '{"max_pixels":1003520}'``."""
    LIMITS = auto()
    """Items by modality: ``--limit-mm-per-prompt '{"image":4}'``."""
    COUNTS = auto()
    """Whole numbers: ``--cudagraph-capture-sizes 1 2 4``."""


class Memory(Enum):
    """What a flag does to the memory of a start-up."""

    NONE = auto()
    """Nothing that vLLM finds depends on it."""
    CACHE = auto()
    """It sizes or divides the KV cache, and nothing that is taken before it."""
    TAKEN = auto()
    """It changes what is taken before the KV cache: weights, start-up peak, buffers, graphs."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of ``vllm serve``.

    Attributes:
        spelling: vLLM's long spelling; empty for a value that vLLM derives and takes no flag for.
        kind: what values it takes.
        help: one line for the command line's help; empty where ``vlmctl plan`` has no such option.
        api: field of ``spec.engine`` that pins it (Python name, dots for a field of a field), None where there is none.
        short: vLLM's short spelling.
        others: other long spellings that some release takes.
        shown: whether plans show its value to users, set or not.
        memory: what it does to memory.
        always: whether the command names it even at its default.
        choices: the values that are known, for a flag that takes few.
        since: first release that has it; None for all that are known.
        in_extra_arguments: ``spec.engine.extraArgs`` may set it as well, and is read for it.
    """

    spelling: str
    kind: Kind
    help: str = ""
    api: str | None = None
    short: str = ""
    others: tuple[str, ...] = ()
    shown: bool = False
    memory: Memory = Memory.TAKEN
    always: bool = False
    choices: tuple[str, ...] = ()
    since: EngineVersion | None = None
    in_extra_arguments: bool = False

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every long spelling, vLLM's own first; none for a derived value."""
        return (self.spelling, *self.others) if self.spelling else ()


def declared(default: Any, spelling: str, kind: Kind, **more: Any) -> Any:
    """A dataclass field with that default, which declares its flag."""
    return field(default=default, metadata={_KEY: Flag(spelling, kind, **more)})


def flags_of(declaring: type[DataclassInstance]) -> Mapping[str, Flag]:
    """The flag that each field of a dataclass declares, by the field's name, in the order of the fields.

    Raises:
        TypeError: a field that declares none.
    """
    undeclared = [each.name for each in fields(declaring) if _KEY not in each.metadata]
    if undeclared:
        raise TypeError(f"{declaring.__name__}.{undeclared[0]} declares no flag")
    return MappingProxyType({each.name: each.metadata[_KEY] for each in fields(declaring)})
