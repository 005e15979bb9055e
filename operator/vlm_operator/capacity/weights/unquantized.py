"""Match the modules that stay unquantised: names and patterns, as each vLLM method matches them.

Sources: vLLM 0.32, ``model_executor/layers/quantization/utils/quant_utils.py`` (``is_layer_skipped``),
``modelopt.py`` (``is_layer_excluded``), ``compressed_tensors/utils.py`` (``should_ignore_layer``); 0.25,
``bitsandbytes.py`` (``is_layer_skipped_bnb``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from functools import lru_cache

from vlm_operator.model.facts import Linear, Quantization, Sharding

Matcher = Callable[[str, str], bool]
"""Takes a module's own name and the name of the module it is fused into (or its own again)."""

EXPERT_SHARDINGS = frozenset({Sharding.EXPERT_OUTPUT, Sharding.EXPERT_INPUT})
ROOTS = frozenset({"model", "language_model", "visual", "backbone"})
"""First parts of whole names: a pattern that begins so can only be found where a name, or its inner one, begins."""
TOWERS_OF_OLD_MODELOPT = ("vision_tower", "vision_model", "vit_large_projector")


def names_of(linear: Linear) -> Iterator[tuple[str, str]]:
    """Name, and fused name, at each place where the module stands; experts by the first of them."""
    numbers = linear.placement.layers or linear.placement.numbers or (0,)
    for number in numbers:
        yield _at(linear.name, number), _at(linear.fused_name or linear.name, number)


def _at(name: str, number: int) -> str:
    return name.replace("{}", str(number), 1).replace("{}", "0")


def _exact(patterns: tuple[str, ...]) -> Matcher:
    names = frozenset(patterns)
    experts = tuple(pattern for pattern in patterns if "experts" in pattern)

    def match(name: str, fused: str) -> bool:
        if "experts" in fused and fused.rpartition(".")[2] == "experts":
            return any(fused in pattern for pattern in experts)
        return name in names or fused in names

    return match


def _substring(patterns: tuple[str, ...]) -> Matcher:
    return lambda name, fused: any(pattern in name or pattern in fused for pattern in patterns)


def _fused_expression(patterns: tuple[str, ...]) -> Matcher:
    expressions = tuple(re.compile(pattern[3:]) for pattern in patterns)
    return lambda _name, fused: any(expression.match(fused) for expression in expressions)


def _expression(patterns: tuple[str, ...]) -> Matcher:
    names = frozenset(pattern for pattern in patterns if not pattern.startswith("re:"))
    expressions = tuple(re.compile(pattern[3:]) for pattern in patterns if pattern.startswith("re:"))

    def match(name: str, fused: str) -> bool:
        return name in names or fused in names or any(expression.match(name) for expression in expressions)

    return match


def _wildcard(patterns: tuple[str, ...]) -> Matcher:
    names = frozenset(patterns)
    plain = [pattern for pattern in patterns if not any(mark in pattern for mark in "*?[")]
    # "x.*" says no more than "x", which is looked for anywhere in a name
    wild = [pattern for pattern in patterns if pattern not in plain and pattern.removesuffix(".*") not in names]
    whole = re.compile("|".join(map(translate, wild))) if wild else None
    rooted = tuple(pattern for pattern in plain if pattern.partition(".")[0] in ROOTS and "." in pattern)
    loose = (*(pattern for pattern in plain if pattern not in rooted), *TOWERS_OF_OLD_MODELOPT)

    def match(name: str, fused: str) -> bool:
        if name in names or any(pattern in fused for pattern in loose) or fused.startswith(rooted):
            return True
        start = fused.find(".") + 1
        inner = start > 0 and fused.split(".", 2)[1] in ROOTS and fused.startswith(rooted, start)
        return inner or (whole is not None and whole.match(fused) is not None)

    return match


def _component(patterns: tuple[str, ...]) -> Matcher:
    names = frozenset(patterns)

    def match(name: str, fused: str) -> bool:
        for candidate in (name, fused):
            parts = candidate.split(".")
            if any(part in names for part in parts):
                return True
            if any(".".join(parts[: end + 1]) in names for end in range(len(parts))):
                return True
        return False

    return match


MATCHERS: dict[str, Callable[[tuple[str, ...]], Matcher]] = {
    "auto-round": _substring,
    "awq": _substring,
    "bitsandbytes": _component,
    "compressed-tensors": _expression,
    "fbgemm_fp8": _exact,
    "fp8": _exact,
    "gptq": _fused_expression,
    "modelopt": _wildcard,
    "mxfp4": _exact,
    "mxfp8": _wildcard,
    "quark": _expression,
}
"""How each method reads its list."""


@lru_cache(maxsize=64)
def matcher(method: str, patterns: tuple[str, ...]) -> Matcher:
    """The matcher of a method for a list of patterns."""
    return MATCHERS[method](patterns)


def never_quantized(linear: Linear, quantization: Quantization) -> bool:
    """True for modules that the method leaves alone whatever its list says."""
    if linear.sharding is Sharding.VOCABULARY:
        return not (quantization.head and linear.name.endswith(("lm_head", "output_layer", "output")))
    if quantization.experts_only:
        return linear.sharding not in EXPERT_SHARDINGS
    if quantization.layers_only and not linear.placement.layers:
        return True
    dense = linear.sharding not in EXPERT_SHARDINGS
    return bool(quantization.only) and dense and not any(part in linear.name for part in quantization.only)
