"""Small changes of a module that would be faults: each replaces one piece of source text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
LARGEST: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
NOT_BEHAVIOUR: Final = {
    "message", "hint", "field", "why", "text", "title", "description", "what", "detail",
    "strict", "repr",
}  # fmt: skip
"""Keyword arguments that a unit test should not pin: words for people, and what only shows a defect of the code."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes:
        path: the module, relative to the checkout.
        line: first line of what changes.
        function: line on which the innermost function around it starts, decorators included; None at module level.
        kind: which sort of fault it is.
        before: what stands there.
        after: what stands there instead.
        start: offset of ``before`` in the module, in bytes of UTF-8.
    """

    path: str
    line: int
    function: int | None
    kind: str
    before: str
    after: str
    start: int

    def apply(self, source: bytes) -> bytes:
        """The module's source with the change."""
        end = self.start + len(self.before.encode())
        assert source[self.start : end] == self.before.encode(), self
        return source[: self.start] + self.after.encode() + source[end:]

    def __str__(self) -> str:
        shown = [" ".join(text.split())[:60] for text in (self.before, self.after)]
        return f"{self.path}:{self.line}: {self.kind}: {shown[0]} -> {shown[1]}"


def mutants(root: Path, path: Path) -> list[Mutant]:
    """Every mutant of one module that still compiles, in the order of the source."""
    source = path.read_bytes()
    found = _Finder(str(path.relative_to(root)), source)
    found.visit(ast.parse(source))
    return [mutant for mutant in found.mutants if _compiles(mutant.apply(source))]


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


class _Finder(ast.NodeVisitor):
    """Walks what is executed: no annotations, docstrings, f-strings, imports or messages of errors."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        self.mutants: list[Mutant] = []
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._function: int | None = None

    def _span(self, node: ast.AST) -> tuple[int, int]:
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _add(self, node: ast.AST, kind: str, after: str) -> None:
        start, end = self._span(node)
        before = self.source[start:end].decode()
        if before != after:
            line = node.lineno  # type: ignore[attr-defined]
            self.mutants.append(Mutant(self.path, line, self._function, kind, before, after, start))

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.source[start:end].decode()

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = self._function
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self._function = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        for statement in node.body:
            self.visit(statement)
        self._function = outer

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_function  # noqa: N815 - the names ast calls

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Import(self, node: ast.Import) -> None:
        """Nothing of it is behaviour."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Nothing of it is behaviour."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Words for people; and Python 3.11 does not know where its parts stand."""

    def visit_Raise(self, node: ast.Raise) -> None:
        if self._function is not None:
            self._add(node, "raise dropped", "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call) and not self._text(node.value).startswith(("_LOG", "LOG", "log")):
            self._add(node, "call dropped", "pass")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._add(node, "returns None", "return None")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._add(test, "filter dropped", "True")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        parts = [f"({self._text(value)})" for value in node.values]
        self._add(node, f"{word} -> {other}", f"({f' {other} '.join(parts)})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not):
            self._add(node, "sign or not dropped", f"({self._text(node.operand)})")
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [self._text(each) for each in (node.left, *node.comparators)]
        for place, operator in enumerate(node.ops):
            other = COMPARISONS[type(operator)]
            words = [_SIGNS[other if at == place else type(each)] for at, each in enumerate(node.ops)]
            pieces = [operands[0], *(f" {word} {text}" for word, text in zip(words, operands[1:], strict=True))]
            self._add(node, f"{_SIGNS[type(operator)]} -> {_SIGNS[other]}", f"({''.join(pieces)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = ARITHMETIC.get(type(node.op))
        sides = (node.left, node.right)
        words = any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in sides)
        if other is not None and not words:
            sign, becomes = _SIGNS[type(node.op)], _SIGNS[other]
            text = f"({self._operand(node.left)} {becomes} {self._operand(node.right)})"
            self._add(node, f"{sign} -> {becomes}", text)
        self.generic_visit(node)

    def _operand(self, node: ast.expr) -> str:
        return f"({self._text(node)})"

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(node, "the other bool", str(not node.value))
        elif isinstance(node.value, int):
            self._add(node, "off by one", str(node.value + 1))
        elif isinstance(node.value, float):
            self._add(node, "a tenth more", repr(node.value * 1.1 if node.value else 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in LARGEST:
            self._add(node.func, f"{node.func.id} -> {LARGEST[node.func.id]}", LARGEST[node.func.id])
        for place, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in NOT_BEHAVIOUR:
                others = [each for at, each in enumerate(node.keywords) if at != place]
                parts = [self._text(each) for each in (*node.args, *others)]
                self._add(node, f"keyword {keyword.arg} dropped", f"{self._text(node.func)}({', '.join(parts)})")
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in NOT_BEHAVIOUR:
                self.visit(keyword.value)
        self.visit(node.func)

    def _negate(self, test: ast.expr) -> None:
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if negated or (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _EQUALITY)):
            return  # that change is made where the node itself is visited
        self._add(test, "condition negated", f"(not ({self._text(test)}))")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


_EQUALITY: Final = (ast.Is, ast.IsNot, ast.In, ast.NotIn, ast.Eq, ast.NotEq)
_SIGNS: Final[dict[type[ast.AST], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Div: "/",
    ast.Mod: "%",
}


def modules(room: Path) -> Iterator[Path]:
    """The modules of a room (a folder of ``operator/vlm_operator``, or one file)."""
    yield from [room] if room.is_file() else sorted(room.rglob("*.py"))
