"""Text stays text for every reader of YAML, whichever version of its rules it follows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.errors import InputError
from vlm_operator.rendering import to_yaml
from vlm_operator.rendering.templates import fill

SERVICE_VALUES = ("namespace", "labels", "selector", "owner", "service_port")

AMBIGUOUS = [
    *("yes", "No", "on", "OFF", "y", "N", "true", "False", "null", "NULL", "~", "", "1", "-1", "+1", "1_000", "0x1f"),
    *("0o17", "017", "0b1", "1e3", "1E-3", "1.", ".5", "-.5", ".inf", "-.INF", ".nan", "1:30", "12:30:45"),
    *("2026-11-24", "2026-11-24T10:00:00Z", "=", "<<"),
]  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_an_ambiguous_word_is_quoted_as_value_and_as_key(text: str) -> None:
    written = to_yaml([{"value": text, text: "key"}])
    assert written.splitlines()[0] in {f'value: "{text}"', f"value: '{text}'"}
    assert written.splitlines()[1] in {f'"{text}": key', f"'{text}': key"}


@pytest.mark.parametrize("text", ["vllm", "--port", "/health", "Qwen/Qwen3-VL-8B", "vllm/vllm-openai:v0.32.0", "a b"])
def test_plain_words_stay_plain(text: str) -> None:
    assert to_yaml([{"a": text}]) == f"a: {text}\n"


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_what_is_written_is_what_is_read(value: dict[str, Any]) -> None:
    assert list(yaml.load_all(to_yaml([value, value]), Loader=yaml.CSafeLoader)) == [value, value]


def test_equal_objects_are_written_out_twice_and_not_as_an_alias() -> None:
    labels = {"a": "b"}
    assert to_yaml([{"one": labels, "two": labels}]) == "one:\n  a: b\ntwo:\n  a: b\n"


@given(json_values)
def test_a_value_comes_out_of_a_template_as_it_went_in(value: Any) -> None:
    written = fill("service.yaml.j2", {"name": value, **dict.fromkeys(SERVICE_VALUES, value)})
    assert written["metadata"]["name"] == value
    assert written["spec"]["ports"][0]["port"] == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="no number"),
        pytest.param(float("inf"), id="endless"),
        pytest.param({"a": [object()]}, id="an object"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(["\ud800"], id="half a character"),
        pytest.param({"\udfff": 1}, id="half a character as a key"),
    ],
)
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        fill("service.yaml.j2", {"name": value, **dict.fromkeys(SERVICE_VALUES, "x")})
