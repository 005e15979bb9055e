"""Tokens of the text between video frames: one per digit, one per word or sign.

The tokenizers of these families (Qwen, GLM, Gemma, InternLM, Nemotron) split numbers into single digits; a space before
a word belongs to the word, a space before a digit is a token of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable


def whole_digits(count: int, value: Callable[[int], float], decimals: int = 1) -> int:
    """Digits before the point of ``count`` rising values, each rounded to ``decimals`` as Python formats it.

    >>> whole_digits(3, [0.0, 9.94, 9.96].__getitem__)
    4
    """

    def digits(position: int) -> int:
        return len(f"{value(position):.{decimals}f}")

    point = decimals + 1 if decimals else 0
    total, start = 0, 0
    places = range(count)
    while start < count:
        length = digits(start)
        end = bisect_right(places, length, lo=start, key=digits)
        total += (length - point) * (end - start)
        start = end
    return total


def numbering_digits(count: int) -> int:
    """Digits of the numbers 1 to ``count`` written one after another.

    >>> numbering_digits(12)
    15
    """
    total, first, length = 0, 1, 1
    while first <= count:
        last = min(count, first * 10 - 1)
        total += (last - first + 1) * length
        first, length = first * 10, length + 1
    return total
