"""``--hf-overrides`` in every spelling that vLLM's parser takes."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.engine.hf_overrides import as_text, hf_overrides, is_hf_overrides
from vlm_operator.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["--seed", "5"], None),
        (["--hf-overrides", "{}"], None),
        (["--hf-overrides", '{"a": {"b": 2}}'], {"a": {"b": 2}}),
        (['--hf-overrides={"a":1}', '--hf-overrides={"b":2}'], {"b": 2}),
        (["--hf-overrides.a.b", "2", "--hf-overrides.a.c=x=y"], {"a": {"b": 2, "c": "x=y"}}),
        (['--hf-overrides={"a":1}', "--hf-overrides.b=2"], {"b": 2}),
        (["--hf-overrides.a=1", "--hf-overrides.a.b=2"], {"a": {"b": 2}}),
        (["--hf-overrides.a+", "x,y"], {"a": ["x", "y"]}),
        (["--hf-overrides.a=4k", "--hf-overrides.b=yarn"], {"a": 4000, "b": "yarn"}),
        (["--hf-overrides.c", "true"], {"c": True}),
        (["--hf-o", '{"a":1}'], {"a": 1}),
    ],
)  # fmt: skip
def test_the_fields_that_arguments_replace(arguments: list[str], expected: dict[str, Any] | None) -> None:
    assert hf_overrides(arguments, field="engine.extraArgs") == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hf-overrides"], "engine.extraArgs: --hf-overrides has no value"),
        (["--hf-overrides.a"], "engine.extraArgs: --hf-overrides has no value"),
        (["--hf-overrides", "[1]"], "engine.extraArgs: --hf-overrides: '[1]' is not a JSON object"),
        (
            ['--hf-overrides={"a": NaN}'],
            "engine.extraArgs: --hf-overrides: '{\"a\": NaN}' is not JSON: NaN is no number",
        ),
        (["--hf-overrides={a}"], "engine.extraArgs: --hf-overrides: '{a}' is not JSON"),
    ],
)
def test_what_is_no_object_is_refused_with_its_field(arguments: list[str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        hf_overrides(arguments, field="engine.extraArgs")
    assert refused.value.message.startswith(words)


@pytest.mark.parametrize("argument", ["--hf-token=x", "--hf-config-path", "--hf", "-hf-overrides", "hf-overrides"])
def test_other_arguments_are_not_the_flag(argument: str) -> None:
    assert not is_hf_overrides(argument)


def test_equal_fields_have_equal_texts() -> None:
    assert as_text({"b": 1, "a": {"d": 2, "c": 3}}) == '{"a":{"c":3,"d":2},"b":1}'
    assert as_text({}) is None
    assert as_text(None) is None
