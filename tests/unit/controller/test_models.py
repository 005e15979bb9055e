"""How long an answer about a model is used before its source is asked again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from builders import qwen3
from vlm_operator.controller.models import Models
from vlm_operator.errors import ModelNotFound, SourceUnavailable, VlmOperatorError
from vlm_operator.model.facts import ModelFacts

DERIVED = replace(qwen3(), derived="from its name")


@dataclass
class Source:
    """Answers in turn; the last one again and again."""

    answers: list[ModelFacts | VlmOperatorError]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __call__(self, name: str, *, revision: str | None = None) -> ModelFacts:
        self.asked.append((name, revision))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, VlmOperatorError):
            raise answer
        return answer


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(qwen3(), 3600, id="facts: an hour, for a branch may move"),
        pytest.param(ModelNotFound("none"), 300, id="a refusal: five minutes"),
        pytest.param(SourceUnavailable("away"), 20, id="no answer: twenty seconds"),
        pytest.param(DERIVED, 20, id="facts from a name: asked like a source that is away"),
    ],
)
def test_an_answer_holds_for_its_time(answer: ModelFacts | VlmOperatorError, seconds: float) -> None:
    clock, source = Clock(), Source([answer])
    models, spec = Models(source, clock), {"model": {"id": "a/b", "revision": "main"}}
    assert models.ask(spec).stale_after == clock.now + seconds
    clock.now += seconds - 0.5
    models.ask(spec)
    assert source.asked == [("a/b", "main")]
    clock.now += 0.5
    models.ask(spec)
    assert source.asked == [("a/b", "main")] * 2


def test_facts_from_a_name_are_used_after_two_minutes_and_for_five() -> None:
    clock, source = Clock(), Source([DERIVED])
    models, spec = Models(source, clock), {"model": {"id": "a/b"}}
    began = clock.now
    for waited, used in ((0, False), (60, False), (119, False), (139, True)):
        clock.now = began + waited
        answer = models.ask(spec)
        assert (answer.facts is DERIVED, isinstance(answer.error, SourceUnavailable)) == (used, not used)
    assert answer.stale_after == clock.now + 300


def test_a_source_that_has_answered_since_starts_the_two_minutes_anew() -> None:
    clock, source = Clock(), Source([DERIVED, qwen3(), DERIVED])
    models, spec = Models(source, clock), {"model": {"id": "a/b"}}
    assert models.ask(spec).facts is None
    clock.now += 100
    assert models.ask(spec).facts is qwen3()
    clock.now += 3600
    assert models.ask(spec).facts is None


def test_revisions_are_different_models() -> None:
    source = Source([qwen3()])
    models = Models(source, Clock())
    for model in ({"id": "a/b"}, {"id": "a/b", "revision": "x"}, {"id": "a/c"}):
        models.ask({"model": model})
    assert source.asked == [("a/b", None), ("a/b", "x"), ("a/c", None)]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param({}, "neither id nor path is set", id="nothing is named"),
        pytest.param({"path": "/models/x"}, "model.path: /models/x lies in a volume", id="a path of the pod"),
    ],
)
def test_a_model_without_an_id_is_never_asked_for(model: dict[str, str], words: str) -> None:
    source = Source([qwen3()])
    answer = Models(source, Clock()).ask({"model": model})
    assert source.asked == []
    assert words in str(answer.error)
    assert answer.stale_after == float("inf")
