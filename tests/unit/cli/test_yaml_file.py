"""Hostile YAML is refused with its place, in bounded time and memory; what Kubernetes reads is read."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.cli.main import main
from vlm_operator.cli.yaml_file import read_documents
from vlm_operator.errors import InputError


def read(tmp_path: Path, text: str) -> list[Any]:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    return read_documents(str(file))


def bomb(levels: int, width: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels)]
    return "\n".join(lines)


MERGED = "a0: &a0 {k: v}\n" + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        pytest.param(bomb(9, 9), "line 6, column 5", "aliases make it larger", id="billion laughs"),
        pytest.param(MERGED, "line", "aliases make it larger", id="merge keys"),
        pytest.param(f"s: &s {'x' * 100_000}\nl: [{', '.join(['*s'] * 60)}]", "line 2", "aliases", id="one long text"),
        pytest.param("a: &a [1, *a]", "line 1, column 4", "inside what it stands for", id="a list in itself"),
        pytest.param("a: &a {b: {c: *a}}", "line 1, column 4", "inside what it stands for", id="a mapping in itself"),
        pytest.param("[" * 400 + "]" * 400, "line 1, column 101", "nested deeper than 100", id="400 deep"),
        pytest.param("{a: " * 100_000, "line 1", "nested deeper", id="100,000 deep"),
        pytest.param("a:\n  b: .nan", "line 2, column 6", "no number", id="no number"),
        pytest.param("a: -.Inf", "line 1, column 4", "no number", id="endless"),
        pytest.param("a: 2026-11-30", "line 1, column 4", "a date", id="a date"),
        pytest.param("a: 2026-11-30T10:00:00Z", "line 1, column 4", "a date", id="a time"),
        pytest.param("1: a", "line 1, column 1", "'1' is not text", id="a number as key"),
        pytest.param("a: {true: b}", "line 1, column 5", "'true' is not text", id="a truth value as key"),
        pytest.param("? [a]\n: b", "line 1, column 3", "not text", id="a list as key"),
        pytest.param("a: 1\nb: 2\na: 3", "line 3, column 1", "'a' stands twice", id="a key twice"),
        pytest.param("a: !!binary aGk=", "line 1, column 4", "binary", id="bytes"),
        pytest.param("a: !!set {b}", "line 1, column 4", "no type", id="a set"),
        pytest.param("a: !!python/object:os.system {}", "line 1, column 4", "no type", id="an object"),
        pytest.param("a: [", "line 2", "not YAML", id="half a list"),
    ],
)
def test_what_no_object_can_hold_is_refused_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(InputError) as refusal:
        read(tmp_path, text)
    assert place in refusal.value.message
    assert words in refusal.value.message
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param("a: &a [1]\nb: *a", [{"a": [1], "b": [1]}], id="an alias"),
        pytest.param("a: &a {x: 1}\nb: {<<: *a, y: 2}", [{"a": {"x": 1}, "b": {"x": 1, "y": 2}}], id="a merge key"),
        pytest.param("---\na: 1\n---\n---\nb: 2\n", [{"a": 1}, {"b": 2}], id="several documents"),
        pytest.param('{"a": {"1": null, "d": "2026-11-30"}}', [{"a": {"1": None, "d": "2026-11-30"}}], id="JSON"),
        pytest.param("[" * 100 + "]" * 100, None, id="100 deep"),
    ],
)
def test_what_kubernetes_reads_is_read(tmp_path: Path, text: str, documents: list[Any] | None) -> None:
    found = read(tmp_path, text)
    assert documents is None or found == documents


@pytest.mark.parametrize("field", ["podTemplate", "engine.mmProcessorKwargs"])
def test_a_bomb_of_less_than_a_kilobyte_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    lines = bomb(9, 9).splitlines()
    nested = "\n".join(f"      {line}" for line in lines)
    head = "apiVersion: vlm-operator.dev/v1alpha1\nkind: VLMDeployment\nmetadata: {name: m}\n"
    spec = "spec:\n  model: {id: Qwen/Qwen3-VL-8B-Instruct}\n  gpu: {product: NVIDIA-L4}\n"
    if field == "podTemplate":
        text = f"{head}{spec}  podTemplate:\n    metadata:\n{nested}\n"
    else:
        text = f"{head}{spec}  engine:\n    mmProcessorKwargs:\n{nested}\n"
    assert len(text) < 1024
    file = tmp_path / "bomb.yaml"
    file.write_text(text)
    for command in ("plan", "render"):
        with pytest.raises(SystemExit) as end:
            main([command, "-f", str(file), "--offline"])
        assert end.value.code == 2
        assert "aliases make it larger" in capsys.readouterr().err
