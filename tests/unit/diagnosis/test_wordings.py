"""Every sentence that is known is recognised, with its figures, in every form in which logs reach us."""

from __future__ import annotations

import time

import pytest
from rendered_wordings import all_wordings, render, same

from kit.log_forms import FORMS
from vlm_operator.diagnosis import Outcome, diagnose
from vlm_operator.engine.log_wordings import KINDS, WRAPPERS, FailureKind, Scope, Wording, figure
from vlm_operator.engine.log_wordings.measured import MEASURED

WORDINGS = [
    pytest.param(kind, wording, id=f"{kind.name}-{index}") for index, (kind, wording) in enumerate(all_wordings())
]

PUTS_WORDS_BEFORE = {"exception", "JSON lines", "carriage returns"}
"""Forms in which a sentence that is a whole line is one no longer."""


@pytest.mark.parametrize(("kind", "wording"), WORDINGS)
def test_each_wording_names_its_failure_in_every_form(kind: FailureKind, wording: Wording) -> None:
    sentence, values = render(wording)
    for form, decorate in FORMS.items():
        if form == "buried" or (form == "pydantic" and kind.scope is Scope.WRAPPER):
            continue
        if wording.whole and form in PUTS_WORDS_BEFORE:
            continue
        failure = diagnose(decorate(sentence)).failure
        assert failure is not None, form
        assert failure.reason == kind.reason, form
        assert {name: failure.numbers.get(name) for name, value in values.items()
                if not same(failure.numbers.get(name), value)} == {}, form  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_failure_is_found_in_2000_ordinary_lines(kind: FailureKind) -> None:
    sentence, _ = render(kind.wordings[0])
    failure = diagnose(FORMS["buried"](sentence)).failure
    assert failure is not None
    assert (failure.reason, failure.failure_class, failure.line) == (kind.reason, kind.failure_class, 1001)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.scope is Scope.REQUEST], ids=lambda kind: kind.name)
def test_a_refused_request_leaves_the_server_started(kind: FailureKind) -> None:
    answer = diagnose(render(kind.wordings[0])[0])
    assert answer.outcome is Outcome.STARTED
    assert answer.failure is not None
    assert not answer.failure.retunable
    assert answer.request_errors == (answer.failure,)


@pytest.mark.parametrize("level", ["INFO", "DEBUG", "WARNING"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_quiet_record_quotes_is_no_failure(kind: FailureKind, level: str) -> None:
    record = f"(EngineCore pid=2) {level} 11-23 22:03:13 [core.py:9] ValueError: {render(kind.wordings[0])[0]}\n"
    answer = diagnose(record)
    assert answer.failure is None
    assert answer.outcome is Outcome.INCOMPLETE


HOSTILE = ("1", "1.", "-", "9" * 19, "[", "{", "a", " ", "(", "'", "a ", "1 GiB ", "\\", "/")
SEARCHED = 16_384
"""Characters of one line that are searched."""


@pytest.mark.parametrize(
    "wording",
    [*(wording for _, wording in all_wordings()), *MEASURED, *WRAPPERS],
    ids=lambda wording: wording.needle[:40],
)
def test_no_wording_takes_long_over_hostile_text(wording: Wording) -> None:
    """Text that almost matches, over and over, as long as what is searched of one line."""
    slowest = 0.0
    for filler in HOSTILE:
        almost = filler.join((*wording.literals[:-1], filler * 40)) if len(wording.literals) > 1 else filler * 40
        for unit in (almost, *(literal + filler for literal in wording.literals)):
            text = (unit * (SEARCHED // len(unit) + 1))[:SEARCHED]
            begun = time.process_time()
            wording.pattern.search(text)
            slowest = max(slowest, time.process_time() - begun)
    assert slowest < 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [("3,581,232", 3581232), ("2.0", 2.0), ("10.50", 10.5), ("-1.81", -1.81), ("None", "None"), ("inf", "inf")],
)
def test_a_figure_is_what_was_printed(text: str, value: object) -> None:
    assert figure(text) == value
    assert type(figure(text)) is type(value)
