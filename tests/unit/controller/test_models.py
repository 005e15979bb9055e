"""How long an answer about a model is used before its source is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from builders import qwen3
from vlm_operator.controller.models import Models
from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable, VlmOperatorError
from vlm_operator.model.facts import ModelFacts

DERIVED = replace(qwen3(), derived="from its name")


@dataclass
class Source:
    """Answers in turn; the last one again and again."""

    answers: list[ModelFacts | VlmOperatorError]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    overrides: list[Mapping[str, Any] | None] = field(default_factory=list)

    def __call__(
        self, name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None
    ) -> ModelFacts:
        self.asked.append((name, revision))
        self.overrides.append(hf_overrides)
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


OVERRIDDEN = replace(qwen3(), hf_overrides='{"max_position_embeddings":65536}')


def _with_arguments(*arguments: str) -> dict[str, Any]:
    return {"model": {"id": "a/b"}, "engine": {"extraArgs": list(arguments)}}


def test_a_model_is_read_with_the_overrides_of_its_further_arguments() -> None:
    source = Source([OVERRIDDEN])
    models = Models(source, Clock())
    answers = [
        models.ask(_with_arguments("--hf-overrides", '{"max_position_embeddings": 65536}')),
        models.ask(_with_arguments("--seed", "5", "--hf_overrides.max_position_embeddings=65536")),
    ]
    assert [answer.facts for answer in answers] == [OVERRIDDEN, OVERRIDDEN]
    assert source.overrides == [{"max_position_embeddings": 65536}]  # the second is the same question


def test_overrides_make_another_model_of_the_same_name() -> None:
    source = Source([qwen3(), OVERRIDDEN])
    models = Models(source, Clock())
    models.ask(_with_arguments())
    models.ask(_with_arguments("--hf-overrides.max_position_embeddings", "65536"))
    assert source.overrides == [None, {"max_position_embeddings": 65536}]


def test_facts_without_the_overrides_are_used_after_two_minutes() -> None:
    clock, source = Clock(), Source([qwen3()])
    models, spec = Models(source, clock), _with_arguments('--hf-overrides={"a":1}')
    first = models.ask(spec)
    assert first.facts is None
    assert "the plan rests on facts of the model without --hf-overrides" in str(first.error)
    clock.now += 120
    assert models.ask(spec).facts is qwen3()


def test_overrides_that_are_no_json_are_refused_by_their_field_and_nothing_is_asked() -> None:
    source = Source([qwen3()])
    answer = Models(source, Clock()).ask(_with_arguments("--hf-overrides", "{a: 1}"))
    assert isinstance(answer.error, InputError)
    assert answer.error.message.startswith("engine.extraArgs: --hf-overrides: '{a: 1}' is not JSON")
    assert source.asked == []
