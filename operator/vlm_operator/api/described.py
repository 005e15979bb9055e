"""Words of the API that carry their meaning and remedy."""

from __future__ import annotations

from enum import StrEnum


class Described(StrEnum):
    """A word with its meaning and remedy.

    Attributes:
        meaning: what it says.
        remedy: what to do about it, empty where nothing needs to be done.
    """

    meaning: str
    remedy: str

    def __new__(cls, word: str, meaning: str, remedy: str = "") -> Described:
        """The word itself is the value."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        member.remedy = remedy
        return member

    def __str__(self) -> str:
        return str(self.value)
