"""Facts are written as JSON without loss, in few bytes, and read back with errors that name the field."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
import types
import typing
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import model_facts

from vlm_operator.errors import InputError
from vlm_operator.model.facts import DType, LayerRun, ModelFacts, Placement, StateCache, StateKind, VisionTower
from vlm_operator.sources.serialization import decode_facts, encode_facts


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type, so that a field added to the facts is tested without a change here."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is object:
        return st.none() | values_of(VisionTower) | st.lists(values_of(VisionTower), max_size=2).map(tuple)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if hint is type(None):
        return st.none()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return instances_of(hint)
    return {
        int: st.integers(-1, 2**40),
        bool: st.booleans(),
        str: st.text(max_size=8),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }[hint]


@functools.cache
def instances_of(cls: Any) -> st.SearchStrategy[Any]:
    """Any instance of a dataclass, which may hold instances of itself."""
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return st.deferred(lambda: st.builds(cls, **{field.name: values_of(hints[field.name]) for field in fields}))


@settings(max_examples=60, deadline=None)
@given(values_of(ModelFacts))
def test_facts_survive_being_written_and_read(facts: ModelFacts) -> None:
    written = json.dumps(encode_facts(facts))
    read = decode_facts(json.loads(written))
    assert read == facts
    assert json.dumps(encode_facts(read)) == written


def test_what_equals_a_default_is_not_written() -> None:
    written = encode_facts(model_facts(quantization=None, vision=None, weights_unknown=None))
    assert written.keys().isdisjoint({"quantization", "vision", "weights_unknown", "multimodal", "checkpoint_bytes"})
    assert written["cache_layers"][0]["cache"] == {
        "type": "AttentionCache",
        "kv_heads": 2,
        "head_size": 16,
        "value_head_size": 16,
        "sliding_window": 1024,
    }


def test_a_field_that_leaves_its_class_open_carries_it() -> None:
    tower = VisionTower(1, 2, 3, 4, 5, 6, 7)
    written = encode_facts(model_facts(multimodal=(tower, None, {"head": 7})))
    assert written["multimodal"][0]["type"] == "VisionTower"
    assert decode_facts(written) == model_facts(multimodal=(tower, None, {"head": 7}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"dtype": "float7"}, "ModelFacts.dtype", id="an element type that does not exist"),
        pytest.param({"derived_max_model_len": "4096"}, "ModelFacts.derived_max_model_len", id="text for a number"),
        pytest.param({"derived_max_model_len": True}, "ModelFacts.derived_max_model_len", id="true for a number"),
        pytest.param({"text": None}, "TextFacts", id="nothing where something is needed"),
        pytest.param({"text": {"layers": 1}}, "TextFacts", id="a field that is missing"),
        pytest.param({"colour": "red"}, "ModelFacts.colour", id="a field that does not exist"),
        pytest.param({"cache_layers": [{"count": 1, "cache": {"type": "Path"}}]}, "LayerRun.cache", id="no layer"),
        pytest.param({"cache_layers": {}}, "ModelFacts.cache_layers", id="an object for a list"),
        pytest.param({"multimodal": {"type": "os.Path"}}, "ModelFacts.multimodal", id="a class of somewhere else"),
        pytest.param({"multimodal": {"type": "config.Config"}}, "ModelFacts.multimodal", id="a class that is no fact"),
        pytest.param({"multimodal": {"type": "..gpu.X"}}, "ModelFacts.multimodal", id="a path for a class"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        decode_facts(encode_facts(model_facts()) | change)


def test_what_is_not_an_object_is_refused() -> None:
    with pytest.raises(InputError, match="not an object"):
        decode_facts([])


def test_a_model_with_a_hundred_modules_is_read_in_under_ten_milliseconds() -> None:
    facts = model_facts(
        weights=model_facts().weights * 50,
        cache_layers=(LayerRun(1, StateCache(StateKind.MAMBA2, 1, 1, 1, 1, 1, 1, DType.FLOAT32)),) * 60,
    )
    text = json.dumps(encode_facts(facts))
    decode_facts(json.loads(text))
    durations = []
    for _ in range(5):
        start = time.process_time()
        decode_facts(json.loads(text))
        durations.append(time.process_time() - start)
    assert min(durations) < 0.010


@pytest.mark.parametrize(
    ("layers", "written"),
    [
        pytest.param(tuple(range(48)), {"range": [0, 48, 1]}, id="every layer"),
        pytest.param((1, 5, 9, 13), {"range": [1, 14, 4]}, id="every fourth"),
        pytest.param((9, 6, 3, 0), {"range": [9, -1, -3]}, id="backwards"),
        pytest.param((0, 1, 2), [0, 1, 2], id="too few to be shorter"),
        pytest.param((0, 1, 2, 4), [0, 1, 2, 4], id="uneven"),
        pytest.param((7, 7, 7, 7), [7, 7, 7, 7], id="equal"),
    ],
)
def test_numbers_at_equal_steps_are_written_as_a_range(layers: tuple[int, ...], written: object) -> None:
    (module, _) = model_facts().weights or ()
    facts = model_facts(weights=(dataclasses.replace(module, placement=Placement(layers=layers)),))
    encoded = encode_facts(facts)
    assert encoded["weights"][0]["placement"]["layers"] == written
    assert decode_facts(json.loads(json.dumps(encoded))) == facts


@pytest.mark.parametrize("bounds", [[0, 10**12, 1], [0, 4, 0], [0, 4], "0:4", [0.0, 4.0, 1.0]])
def test_a_range_that_is_none_is_refused(bounds: object) -> None:
    encoded = encode_facts(model_facts())
    encoded["weights"][0]["placement"] = {"layers": {"range": bounds}}
    with pytest.raises(InputError, match=r"Placement\.layers"):
        decode_facts(encoded)
