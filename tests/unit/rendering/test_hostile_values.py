"""No value can change a manifest's shape: 200 hostile strings in every field, and whatever hypothesis finds."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from server_requests import request

from vlm_operator.api.model_spec import SecretKey
from vlm_operator.rendering import ServerRequest, render, to_yaml
from vlm_operator.rendering.model_cache import ModelCache
from vlm_operator.units import GIB

_WORDS = [
    *("yes", "no", "y", "n", "on", "off", "true", "False", "null", "~", "", " ", "=", "<<", "NaN", ".inf", "-.Inf"),
    *("1:30", "1e3", "0x1F", "0o17", "017", "1_000", "+1", "-1", ".5", "1.", "2026-11-24", "12:30:45", "0b1", "9Gi"),
    *("- a", "a: b", "a:\n  b: c", "? a", "a #b", "#", "---", "...", "--- a", "%YAML 1.1", "!!python/object:os.system"),
    *("&a b", "*a", "!tag", "| a", "> a", "@a", "`a`", "[a", "{a", "]", "}", ",", "'", '"', "''", '""', "\\", "\\n"),
    *("'; drop", '" }]', '"\n}', "\\u0000", "\\U0010FFFF", "\\x", "'\"'", "a'b", 'a"b', "\ta", "a\t", " a ", "a\n"),
    *("a\r\nb", "\r", "\x0b", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\xa0"),
    *("{{ name }}", "{% raw %}", "{# comment #}", "{{ 7*7 }}", "{{ self }}", "{%", "{{", "}}", "#}", "${HOME}"),
    *("$(HF_TOKEN)", "`id`", "; rm -rf /", "&& true", "| sh", "> /dev/null", "../../etc/passwd", "%s%n", "%00"),
    *("\u202ea",),
    *("\U0001f600", "日本語", "Ä", "e\u0301", "א", "\U000e0001", "--config=/x", "-tp=2", "--", "__class__", "a" * 5000),
    *("<script>", "&amp;", "&#0;", "]]>", "<!--", "'--", "1; --", "' or 1=1", "\\'; --", "x' AND '1", "(", ")", "*"),
    *("?", "\na", "\ufffe", "$(id)"),
]  # fmt: skip
_WRAPPED = [f'a" {word}\n  privileged: true' for word in _WORDS[:120]]
HOSTILE = sorted({*_WORDS, *_WRAPPED})

FIELDS: dict[str, Any] = {
    "name": lambda text: {"name": text},
    "namespace": lambda text: {"namespace": text},
    "image": lambda text: {"image": text},
    "argument": lambda text: {"args": ("model", text)},
    "fingerprint": lambda text: {"fingerprint": text},
    "product": lambda text: {"gpu_product": text or "x"},
    "variable": lambda text: {"env": {"VLLM_CPU_KVCACHE_SPACE": text}},
    "secret": lambda text: {"token_secret": SecretKey.model_construct(name=text, key=text)},
    "claim": lambda text: {"cache": ModelCache(claim=text, created_bytes=GIB, storage_class=text or "x")},
    "directory": lambda text: {"cache": ModelCache(host_path=text)},
    "owner": lambda text: {"uid": text},
    "resource": lambda text: {"resources": {text: 1}},
    "label of the overlay": lambda text: {"pod_template": {"metadata": {"labels": {"l": text, text: "v"}}}},
    "variable of the overlay": lambda text: {"pod_template": _container({"env": [{"name": "X", "value": text}]})},
}
KEYS = {"resource", "label of the overlay"}
"""Fields whose value becomes a key of the manifest."""


def _container(more: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "vllm", **more}]}}


def _shape(value: Any, hostile_key: str | None) -> Any:
    """The value without its strings; the one key that is a hostile value itself goes by another name."""
    if isinstance(value, dict):
        return {"<key>" if key == hostile_key else key: _shape(item, hostile_key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shape(item, hostile_key) for item in value]
    return type(value).__name__ if isinstance(value, str) else value


def _said(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(text for item in value.values() for text in _said(item))}
    if isinstance(value, list | tuple):
        return {text for item in value for text in _said(item)}
    return {value} if isinstance(value, str) else set()


def _check(field: str, text: str) -> None:
    harmless: ServerRequest = replace(request(), **FIELDS[field]("harmless"))
    hostile: ServerRequest = replace(request(), **FIELDS[field](text))
    objects = render(hostile)
    read = list(yaml.load_all(to_yaml(objects), Loader=yaml.CSafeLoader))
    assert read == list(objects), "what is written is what is read"
    key, same = (text, "harmless") if field in KEYS else (None, None)
    assert _shape(read, key) == _shape(list(render(harmless)), same), "the shape is that of a harmless value"
    assert text in _said(read) or (field == "product" and not text), "the value is there, unchanged"


def test_there_are_two_hundred_hostile_strings() -> None:
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_value_stays_a_value(field: str) -> None:
    for text in HOSTILE:
        _check(field, text)


@given(field=st.sampled_from(sorted(FIELDS)), text=st.text(max_size=40))
def test_any_text_stays_a_value(field: str, text: str) -> None:
    known = {key for document in render(request()) for key in _said(document)}
    assume(field not in KEYS or not (text in known or text == "l" or text.startswith("$")))
    _check(field, text)


def test_every_text_of_a_request_is_tried() -> None:
    tried = {key for make in FIELDS.values() for key in make("x")}
    numbers = {"replicas", "service_port", "host_memory_bytes", "startup_seconds", "nodes", "shared_memory_gib"}
    assert {field.name for field in fields(ServerRequest)} - tried == {*numbers, "claim", "share"}
