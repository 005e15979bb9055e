"""What a VLMDeployment may say, as the Python models have it; the API server is asked the same in control_plane."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec_cases import ACCEPTED, REFUSED, UNKNOWN_FIELDS, Refused, manifest

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.errors import InputError


@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in ACCEPTED.items()])
def test_a_sensible_spec_is_accepted_and_written_as_it_was_read(spec: dict[str, Any]) -> None:
    written = parse(VLMDeployment, manifest(spec)).to_wire()["spec"]
    assert _contains(written, {**manifest(spec)["spec"]})


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in [*REFUSED, *UNKNOWN_FIELDS]])
def test_a_wrong_spec_is_refused_with_field_and_remedy(case: Refused) -> None:
    with pytest.raises(InputError, match=case.words) as refusal:
        parse(VLMDeployment, manifest(case.spec), where="file.yaml")
    assert refusal.value.message.startswith("file.yaml: ")
    assert refusal.value.field is not None
    assert refusal.value.field.startswith(case.field)
    assert refusal.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "0.9", None])
def test_a_utilisation_is_a_finite_number(value: object) -> None:
    spec = {"engine": {"gpuMemoryUtilization": value}}
    if value is None:  # as kubectl's null: not set
        assert parse(VLMDeployment, manifest(spec)).spec.engine is not None
        return
    with pytest.raises(InputError, match=r"spec\.engine\.gpuMemoryUtilization"):
        parse(VLMDeployment, manifest(spec))


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    with pytest.raises(InputError, match=re.escape("spec.engine.contxtLength: unknown field, did you mean")):
        parse(VLMDeployment, manifest({"engine": {"contxtLength": 1}}))


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InputError) as refusal:
        parse(VLMDeployment, manifest({"goal": "Fast", "replicas": -1}))
    assert "spec.goal" in refusal.value.message
    assert "spec.replicas" in refusal.value.message


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("qwen3-vl", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("3b", False),
        ("a.b", False),
        ("a-", False),
        ("Ä", False),
    ],
)
def test_a_name_is_one_that_a_service_can_have(name: str, accepted: bool) -> None:
    if accepted:
        assert parse(VLMDeployment, manifest({}, name)).metadata.name == name
        return
    with pytest.raises(InputError, match="DNS name"):
        parse(VLMDeployment, manifest({}, name))


@pytest.mark.parametrize(
    ("namespace", "accepted"),
    [
        ("vision", True),
        ("0-lab", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("Vision", False),
        ("a.b", False),
        ("-a", False),
        ("a\n", False),
        ("kube/system", False),
    ],
)
def test_a_namespace_is_one_that_kubernetes_takes(namespace: str, accepted: bool) -> None:
    raw = manifest({})
    raw["metadata"]["namespace"] = namespace
    if accepted:
        assert parse(VLMDeployment, raw).metadata.namespace == namespace
        return
    with pytest.raises(InputError, match=r"metadata\.namespace"):
        parse(VLMDeployment, raw)


@pytest.mark.parametrize("depth", [90, 400, 100_000])
@pytest.mark.parametrize("field", ["podTemplate", "engine.mmProcessorKwargs"])
def test_what_is_nested_too_deep_is_refused_and_overflows_nothing(depth: int, field: str) -> None:
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        value = {"a": value}
    top, _, below = field.partition(".")
    raw = manifest({top: {below: value} if below else value})
    if depth < 100:
        parse(VLMDeployment, raw)
        return
    with pytest.raises(InputError, match=f"spec.{field}.*nested deeper than 100"):
        parse(VLMDeployment, raw)


def test_a_status_of_a_newer_operator_can_be_read() -> None:
    newer = {**manifest({}), "status": {"observedGeneration": 1, "invention": {}, "plan": _plan(invention=1)}}
    status = parse(VLMDeployment, newer).status
    assert status is not None
    assert status.plan is not None
    assert status.plan.verdict == "Fits"


_NAMES = (
    st.sampled_from(["model", "id", "gpu", "cpu", "engine", "extraArgs", "count", "workload", "images"]) | st.text()
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_NAMES, below, max_size=4),
    max_leaves=15,
)


@given(spec=_ANYTHING)
def test_whatever_is_said_is_read_or_refused_in_words(spec: Any) -> None:
    refusals: list[InputError] = []
    try:
        parse(VLMDeployment, {"metadata": {"name": "a"}, "spec": spec})
    except InputError as refusal:
        refusals.append(refusal)
    assert all(refusal.field and refusal.message.startswith("spec") for refusal in refusals)


@pytest.mark.parametrize("path", [("model", "id"), ("model", "path"), ("engine", "image"), ("gpu", "product")])
def test_a_long_text_is_refused_at_once(path: tuple[str, str]) -> None:
    """No pattern takes more than a moment, whatever it is given."""
    for text in ("/a" * 5000, "a-" * 5000, "a" * 10_000 + "!", "_" * 10_000, "a:1/" * 3000):
        with pytest.raises(InputError, match="at most"):
            parse(VLMDeployment, manifest({path[0]: {path[1]: text}}))
    for text in ("a" * 500 + "!", "a-" * 200 + "!", "/a" * 250 + "\n"):
        with pytest.raises(InputError):
            parse(VLMDeployment, manifest({path[0]: {path[1]: text}}))


def test_objects_are_frozen() -> None:
    deployment = parse(VLMDeployment, manifest({}))
    with pytest.raises(ValueError, match="frozen"):
        deployment.spec.replicas = 2  # type: ignore[misc]


def _plan(**more: object) -> dict[str, object]:
    return {"verdict": "Fits", "reason": "Fits", "message": "fits", **more}


def _contains(written: Any, said: Any) -> bool:
    """Everything said is there; sizes given in bytes come back as text."""
    if isinstance(said, dict):
        return all(key in written and _contains(written[key], value) for key, value in said.items())
    if isinstance(said, list):
        return len(written) == len(said) and all(map(_contains, written, said))
    return bool(written == said) or (isinstance(said, int) and written == str(said))
