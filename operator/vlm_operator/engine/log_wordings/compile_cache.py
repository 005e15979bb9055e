"""Whether torch.compile found its cache filled: vLLM's lines on compiling, loading and saving graphs.

Read in vLLM 0.9 to 0.33: ``compilation/{backends,decorators,monitor}.py``. Ahead-of-time compilation prints other lines
than the cache of Inductor (0.14 and later); from 0.32 on a line may begin with the graph's name in brackets. How long
torch.compile took is no sign: it depends on model and CPU.
"""

from __future__ import annotations

from typing import Final, Literal

CompileCache = Literal["cold", "warm"]

COMPILE_CACHE: Final[tuple[tuple[str, CompileCache], ...]] = (
    ("Compiling a graph for", "cold"),
    ("Cache the graph ", "cold"),
    ("Compiling model again due to a load failure", "cold"),
    ("torch.compile cache is disabled", "cold"),
    ("saved AOT compiled function to", "cold"),
    ("Directly load the compiled graph(s) for", "warm"),
    ("Directly load AOT compilation from path", "warm"),
)
"""A piece of a line to what it says of the cache. One compiled graph makes a cold start; saving code ahead of time says
nothing where graphs were loaded."""

COMPILE_CACHE_STARTS: Final = (
    "Compiling a graph for",
    "Cache the graph ",
    "Compiling model again",
    "vLLM's torch.compile cache",
    "saved AOT compiled function",
    "Directly load ",
)
"""How these records begin, behind the name of the graph."""


def compile_cache_of(text: str) -> CompileCache | None:
    """What ``text`` says of the cache, or None.

    >>> compile_cache_of("[backbone] Directly load AOT compilation from path /root/.cache/vllm/model")
    'warm'
    """
    return next((state for piece, state in COMPILE_CACHE if piece in text), None)


def is_saved_only(text: str) -> bool:
    """Whether ``text`` says only that code was saved, which follows compiling as well as loading."""
    return "saved AOT compiled function to" in text
