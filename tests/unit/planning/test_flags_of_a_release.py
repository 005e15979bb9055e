"""A pinned flag that the release does not know is refused with the release that brought it."""

from __future__ import annotations

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.validation import validate

TEXT_ONLY = EngineSettings(language_model_only=True)


@pytest.mark.parametrize(
    ("version", "known"), [(EngineVersion(0, 16, 9), False), (EngineVersion(0, 17), True), (EngineVersion(0, 33), True)]
)
def test_a_flag_that_the_release_does_not_know_is_refused(version: EngineVersion, known: bool) -> None:
    intent = Intent(settings=TEXT_ONLY, pinned=frozenset({"language_model_only"}), version=version)
    if known:
        validate(intent)
        return
    with pytest.raises(InputError, match=r"has no --language-model-only, which 0\.17 added") as refusal:
        validate(intent)
    assert refusal.value.field == "language-model-only"


def test_a_flag_that_nobody_pinned_is_not_asked_about() -> None:
    validate(Intent(settings=TEXT_ONLY, version=EngineVersion(0, 11)))
