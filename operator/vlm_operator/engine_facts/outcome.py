"""How a dry run ended: it ran, vLLM refused, or the simulation cannot tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vlm_operator.diagnosis import FailureClass, UnknownFailure, diagnose
from vlm_operator.engine_facts.report import DryRunReport, RunError

_REFUSING: Final = frozenset({FailureClass.CONFIGURATION, FailureClass.HARDWARE, FailureClass.MODEL})
_CHECKING_STAGES: Final = frozenset({"configure", "load", "kvCache"})
"""Before the profiling run vLLM checks; in it only the simulated device computes."""

_CHECKS: Final = frozenset({"ValueError", "ValidationError", "AssertionError", "NotImplementedError", "KeyError"})
"""What vLLM's checks raise. A TypeError or AttributeError is an accident, most likely of the simulation."""

_PYDANTIC_HEAD: Final = re.compile(r"^\d+ validation errors? for \w+ (?:[\w.]+ )?(?:Value error, )?")

CANNOT_TELL: Final = "SimulationCannotTell"
UNREADABLE: Final = "ModelUnreadable"
REJECTED: Final = "ConfigurationRejected"


class Ending(StrEnum):
    """How a dry run ended."""

    RAN = "Ran"
    REFUSED = "Refused"
    CANNOT_TELL = "CannotTell"
    NO_MODEL = "NoModel"


@dataclass(frozen=True, slots=True)
class DryRunOutcome:
    """The ending, and for one that is not ``Ran`` its reason and message.

    Attributes:
        reason: the reason by which ``diagnosis`` knows vLLM's message, ``ConfigurationRejected`` for a check whose
            wording it does not know, ``SimulationCannotTell`` where vLLM did not decide, ``ModelUnreadable`` where the
            model's files could not be had.
        hint: what to do, None where nothing is known.
    """

    ending: Ending
    reason: str | None = None
    message: str | None = None
    hint: str | None = None


def outcome(report: DryRunReport) -> DryRunOutcome:
    """How the run of this report ended."""
    error = report.error
    if error is None:
        return DryRunOutcome(Ending.RAN)
    if error.stage == "model":
        return DryRunOutcome(Ending.NO_MODEL, UNREADABLE, _sentence(error), _remedy(error.message))
    if error.simulation_limit:
        return _cannot_tell(error)
    found = diagnose(error.trace)
    failure = found.failure
    if failure is not None and not isinstance(failure, UnknownFailure) and failure.failure_class in _REFUSING:
        hint = found.advice[0].why if found.advice else None
        return DryRunOutcome(Ending.REFUSED, failure.reason, _sentence(error), hint)
    own = error.raised_in.startswith(("vllm.", "pydantic", "transformers.", "dataclasses"))
    if error.stage in _CHECKING_STAGES and error.type in _CHECKS and own:
        return DryRunOutcome(Ending.REFUSED, REJECTED, _sentence(error))
    return _cannot_tell(error)


_REMEDIES: Final = (
    (("GatedRepoError", "403"), "accept the model's conditions on the Hub, and name the Secret with its token"),
    (("RepositoryNotFoundError", "401"), "correct the model's id, or name the Secret with a token that may read it"),
    (("RevisionNotFoundError",), "correct the revision"),
    (("no config.json",), "mount the volume that holds the model, and give its folder's path in it"),
)


def _remedy(message: str) -> str:
    """The next step where the model's files could not be had; the network is the rest of the cases."""
    for signs, remedy in _REMEDIES:
        if any(sign in message for sign in signs):
            return remedy
    return "let the pod reach the Hugging Face Hub, or give it a volume that holds the model"


def _cannot_tell(error: RunError) -> DryRunOutcome:
    hint = "the figures found before hold; plan with vlmctl plan, or start vLLM on the GPU"
    return DryRunOutcome(
        Ending.CANNOT_TELL, CANNOT_TELL, f"the simulation ended at {error.stage}: {_sentence(error)}", hint
    )


def _sentence(error: RunError) -> str:
    """The exception in one line, without what pydantic wraps around a check's own words."""
    text = " ".join(error.message.split())
    text = _PYDANTIC_HEAD.sub("", text).partition(" [type=")[0]
    return f"{error.type}: {text[:600]}" if text else error.type
