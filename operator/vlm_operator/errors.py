"""Every error this project raises on purpose. What to do about one is its type.

``InputError``: the user's input is wrong (exit code 2). ``UnknownFact``: the code does not know and will not guess
(exit code 4). ``ClusterUnreachable``: the API server does not answer (exit code 5). All carry a message that names
field and value, and a hint that names the remedy.
"""

from __future__ import annotations


class VlmOperatorError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what is wrong, with field, value and numbers.
        hint: the next step, or None where there is none.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(VlmOperatorError):
    """The input is wrong: a field, a flag, a file. Nothing will change until the user changes it."""

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class UnknownFact(VlmOperatorError):
    """A layout, quantisation, version, GPU or field that is not known for certain: the answer is ``Unknown``.

    Args:
        message: what is not known, naming the field and its value.
        field: dotted name of the field, for instance ``text_config.layer_types``.
        hint: what would make it known.
    """

    exit_code = 4

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class ModelNotFound(InputError):
    """No source knows the model."""


class SourceUnavailable(VlmOperatorError):
    """A model source could not be read just now (network, rate limit): trying again may help."""

    exit_code = 4


class ClusterUnreachable(VlmOperatorError):
    """The Kubernetes API server does not answer."""

    exit_code = 5
