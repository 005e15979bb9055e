"""Scripts of model servers are split as a shell splits them."""

from __future__ import annotations

import pytest

from vlm_operator.audit.shell_words import UNRESOLVED, commands


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("vllm serve m", [["vllm", "serve", "m"]], id="one command"),
        pytest.param("a; b && c || d | e\nf", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]], id="separators"),
        pytest.param("a b \\\n  c", [["a", "b", "c"]], id="continued line"),
        pytest.param('a \'x $M "y"\' "$M z"', [["a", 'x $M "y"', "org/m z"]], id="quotes"),
        pytest.param("# note\na # rest\nb", [["a"], ["b"]], id="comments"),
        pytest.param("a $EXTRA", [["a", "--x", "1"]], id="an unquoted variable is split into words"),
        pytest.param('a "$EXTRA"', [["a", "--x 1"]], id="a quoted variable is not"),
        pytest.param("a ${M}-b ${NONE:-5} ${NONE}", [["a", "org/m-b", "5", UNRESOLVED]], id="braces and defaults"),
        pytest.param("N=3; a $N", [["N=3"], ["a", "3"]], id="a variable of the script"),
        pytest.param("a $(hostname) `date`", [["a", UNRESOLVED, UNRESOLVED]], id="command substitution is unresolved"),
        pytest.param('eval "a $M --k v"', [["a", "org/m", "--k", "v"]], id="eval"),
        pytest.param("if [ 1 ]; then a; fi", [["if", "[", "1", "]"], ["then", "a"], ["fi"]], id="control words"),
        pytest.param("a 'open", [["a", "open"]], id="an open quote ends with the text"),
        pytest.param("a \\", [["a", ""]], id="a trailing backslash"),
    ],
)
def test_a_script_is_split_into_simple_commands(script: str, expected: list[list[str]]) -> None:
    assert list(commands(script, {"M": "org/m", "EXTRA": "--x 1"})) == expected
