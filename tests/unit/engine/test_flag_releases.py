"""Flags and variables are known for the releases whose parser takes them, and for no others."""

from __future__ import annotations

import pytest

from vlm_operator.engine.flag_releases import REPLACEMENTS, releases_with, takes
from vlm_operator.engine.settings import FLAGS
from vlm_operator.engine.version import EngineVersion


@pytest.mark.parametrize(
    ("name", "minor", "taken"),
    [
        pytest.param("--swap-space", 17, True, id="the last release with it"),
        pytest.param("--swap-space", 18, False, id="the first without it"),
        pytest.param("--language-model-only", 16, False, id="before it came"),
        pytest.param("--language-model-only", 17, True, id="when it came"),
        pytest.param("--chat-template", 33, True, id="a flag of the front end"),
        pytest.param("--no-enable-prefix-caching", 33, True, id="a switch off"),
        pytest.param("--max-model", 33, True, id="an unambiguous beginning"),
        pytest.param("--max-num", 33, False, id="an ambiguous beginning"),
        pytest.param("-tp", 33, True, id="a short flag"),
        pytest.param("-O3", 33, True, id="an optimisation level"),
        pytest.param("--no-such-flag", 33, False, id="none at all"),
        pytest.param("VLLM_ATTENTION_BACKEND", 14, True, id="a variable"),
        pytest.param("VLLM_ATTENTION_BACKEND", 15, False, id="a variable that is gone"),
    ],
)
def test_a_release_takes_a_flag(name: str, minor: int, taken: bool) -> None:
    assert takes(EngineVersion(0, minor), name) is taken


def test_the_flags_of_plans_are_in_the_table_since_the_release_that_they_state() -> None:
    for flag in FLAGS.values():
        if not flag.spelling:
            continue
        first = releases_with(flag.spelling)[0].first
        assert first == (flag.since.minor if flag.since is not None else 11), flag.spelling


def test_what_is_replaced_is_gone() -> None:
    assert all(releases_with(name) and releases_with(name)[-1].last < 33 for name in REPLACEMENTS)
