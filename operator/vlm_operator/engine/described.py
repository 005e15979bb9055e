"""A word with its meaning and remedy, the form of every reason that users see."""

from __future__ import annotations

from enum import StrEnum


class Described(StrEnum):
    """A word with its meaning and remedy.

    Attributes:
        meaning: what the word says, as one sentence.
        remedy: what to do about it; empty where nothing needs to be done.
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

    def as_(self, word: str) -> tuple[str, str, str]:
        """The same meaning and remedy under another word, to define a member of another list with."""
        return word, self.meaning, self.remedy

    @property
    def entry(self) -> tuple[str, str, str]:
        """Word, meaning and remedy, to define the same member in another list with."""
        return self.as_(self.value)
