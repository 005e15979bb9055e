"""What is known of operators by their names: which are random, which take a workspace, what may be fused."""

from __future__ import annotations

VALUE_LIMIT = 1 << 22
"""Tensors of more elements have no values: only sizes and masks are ever read back, and these are small."""

_RANDOM = ("rand", "normal", "uniform", "bernoulli", "exponential", "multinomial", "dropout")

DATA_DEPENDENT = frozenset(
    {
        "nonzero",
        "repeat_interleave",
        "masked_select",
        "unique_dim",
        "_unique",
        "_unique2",
        "unique_consecutive",
        "bincount",
    }
)
"""The size of the result depends on values."""

NOT_FUSED = frozenset(
    {
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "convolution",
        "sort",
        "topk",
        "_scaled_mm",
        "_local_scalar_dense",
        "nonzero",
        "_int_mm",
    }
)
"""Calls of library kernels that Inductor does not fuse: their inputs and outputs lie in memory."""

_MANY_ROWS = 128


def is_random(name: str) -> bool:
    """True where an operator draws numbers: its result has no values that could be known.

    >>> is_random("uniform_"), is_random("add")
    (True, False)
    """
    return any(part in name for part in _RANDOM)


def sort_workspace_bytes(rows: int, length: int, element_size: int) -> int:
    """Bytes that sorting takes beside its input and outputs.

    Source: torch ``aten/src/ATen/native/cuda/Sort.cu`` and cub: reverse indices and a double buffer of keys and
    indices; below 128 rows also the segments' pairs.
    """
    per_element = 8 + element_size + 8 if rows >= _MANY_ROWS else 16 + element_size + 12
    return rows * length * per_element
