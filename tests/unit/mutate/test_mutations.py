"""``hack/mutate``: which faults it puts into a module, and which tests it runs against each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mutate.__main__ import judge, report, told
from mutate.mutations import Mutant, mutants
from mutate.reach import Reach, choose
from mutate.workers import Workers


def changed(source: str, tmp_path: Path) -> set[str]:
    """Each mutant of a module, as the whole module reads with it."""
    path = tmp_path / "module.py"
    path.write_text(source)
    return {mutant.apply(source.encode()).decode() for mutant in mutants(tmp_path, path)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("x = a < b", {"x = (a <= b)"}, id="a boundary"),
        pytest.param("x = a == b", {"x = (a != b)"}, id="an equality"),
        pytest.param("x = a + b", {"x = ((a) - (b))"}, id="arithmetic"),
        pytest.param("x = 7", {"x = 8"}, id="a constant"),
        pytest.param("x = True", {"x = False"}, id="a bool"),
        pytest.param("x = min(a)", {"x = max(a)"}, id="the least"),
        pytest.param("x = a and b", {"x = ((a) or (b))"}, id="both"),
        pytest.param("x = not a", {"x = (a)"}, id="a not"),
        pytest.param("x = f(a, b=c)", {"x = f(a)"}, id="a keyword"),
        pytest.param("f(a)", {"pass"}, id="a call"),
        pytest.param("if a:\n    pass", {"if (not (a)):\n    pass"}, id="a condition"),
        pytest.param("def f():\n    return a", {"def f():\n    return None"}, id="what is returned"),
        pytest.param("def f():\n    raise E", {"def f():\n    pass"}, id="what is raised"),
        pytest.param("x = [y for y in z if y]", {"x = [y for y in z if True]"}, id="a filter"),
    ],
)
def test_a_small_fault_of_each_kind(source: str, expected: set[str], tmp_path: Path) -> None:
    assert changed(source, tmp_path) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Words: 1 < 2."""',
        "import a",
        "x: list[int]",
        'x = f"{1 + 2}"',
        'x = "words"',
        "@decorated(1)\nclass A:\n    pass",
        "@decorated(1)\ndef f():\n    pass",
        "LOGGER.info(x)",
    ],
    ids=["docstring", "import", "annotation", "f-string", "text", "a class's decorator", "a function's", "a log line"],
)
def test_what_is_no_behaviour_is_left_alone(source: str, tmp_path: Path) -> None:
    assert changed(source, tmp_path) == set()


def test_a_mutant_knows_its_function_from_the_first_decorator_on_and_its_place_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""ä"""\n\n@decorated\ndef f():\n    x = "ö"; return 1 if x else None\n')
    (found,) = [mutant for mutant in mutants(tmp_path, path) if mutant.kind == "off by one"]
    assert (found.function, found.line) == (3, 5)
    assert b"return 2 if x" in found.apply(path.read_bytes())


REACHED = [
    Reach("tests/unit/room/test_a.py::test_one[1]", 0.1, {"m.py": (3,)}),
    Reach("tests/unit/room/test_a.py::test_one[2]", 0.1, {"m.py": (3,)}),
    Reach("tests/unit/room/test_a.py::test_two", 0.5, {"m.py": (3, 9)}),
    Reach("tests/unit/room/test_b.py::test_three", 0.1, {"n.py": (3,)}),
]


@pytest.mark.parametrize(
    ("path", "function", "seconds", "tests"),
    [
        pytest.param("m.py", 3, 9, ["test_one[1]", "test_two", "test_one[2]"], id="one case of each first"),
        pytest.param("m.py", 9, 9, ["test_two"], id="those that call the function"),
        pytest.param("m.py", 8, 9, [], id="a function that none calls"),
        pytest.param("m.py", None, 9, ["test_one[1]", "test_two", "test_one[2]"], id="at import: of the module"),
        pytest.param("o.py", None, 9, ["test_one[1]", "test_three", "test_two", "test_one[2]"], id="at import: all"),
        pytest.param("m.py", 3, 0.25, ["test_one[1]", "test_one[2]"], id="no more than the time allows"),
        pytest.param("m.py", 9, 0.1, ["test_two"], id="one in any case"),
    ],
)
def test_the_tests_that_can_notice_it(path: str, function: int | None, seconds: float, tests: list[str]) -> None:
    found, _ = choose(REACHED, path, function, seconds=seconds)
    assert [each.split("::")[1] for each in found] == tests


@pytest.mark.parametrize(("answer", "outcome"), [("passed", "survived"), ("failed", "died"), ("timeout", "timeout")])
def test_a_mutant_is_judged_and_a_room_by_its_share(
    answer: str, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Answering:
        def ask(self, task: dict[str, Any]) -> str:
            assert task["tests"] == ["t"]
            assert task["source"].startswith("#")
            return answer

    mutant = Mutant("pyproject.toml", 1, None, "test", "[build-system]", "# [build-system]", 0)
    reached = [Reach("t", 0.1, {"pyproject.toml": (1,)})]
    workers = cast(Workers, Answering())
    results = [judge(workers, reached, mutant, seconds=1.0), judge(workers, [], mutant, seconds=1.0)]
    assert [each.outcome for each in results] == [outcome, "unreached"]
    share = report("room", list(told(results)))
    assert share == (0.0 if outcome == "survived" else 50.0)
    assert ("survived" in capsys.readouterr().err) is (outcome == "survived")
