"""The tables of products: every figure says where it comes from; they are read when the first product is asked for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vlm_operator.gpu.facts import MemoryKind, cuda_total_of
from vlm_operator.gpu.products import memory_variants, product_rows, products
from vlm_operator.units import MIB

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "vlm_operator"


def test_every_figure_says_whether_it_was_read() -> None:
    for row in products():
        assert row.nvml_basis in ({"read", "inferred"} if row.nvml_mib else {""}), row.product
        assert row.cuda_basis in {"read", "inferred"}, row.product
        assert row.source, row.product
    assert {variant.cuda_basis for variant in memory_variants()} == {"read", "inferred"}


def test_an_inferred_total_admits_that_it_may_be_off() -> None:
    for row in products():
        if row.cuda_basis == "inferred":
            assert row.spread_mib >= 80, row.product


def test_a_total_by_the_rule_of_unlisted_cards_is_what_the_rule_gives() -> None:
    ruled = [row for row in products() if "by the rule" in row.source]
    assert len(ruled) > 15
    for row in ruled:
        assert row.nvml_mib is not None
        total, spread = cuda_total_of(row.nvml_mib * MIB)
        assert row.cuda_mib == pytest.approx(total / MIB, abs=1), row.product
        assert row.spread_mib * MIB >= spread, row.product


def test_labels_and_variants_are_told_apart() -> None:
    labels = [row.product for row in products()]
    assert len(labels) == len(set(labels))
    for label in labels:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,61}[A-Za-z0-9]", label), label
    for variant in memory_variants():
        listed = product_rows()[variant.product]
        assert abs(variant.nvml_mib - (listed.nvml_mib or listed.cuda_mib)) > 64, variant
        assert variant.differs in {"size", "ecc", "driver", "host"}
        assert variant.aliases or variant.differs != "size", variant


def test_memory_kinds_are_known() -> None:
    for row in products():
        assert MemoryKind(row.memory_kind)


def test_the_tables_are_read_when_a_product_is_asked_for_and_once() -> None:
    program = (
        "import pathlib\n"
        "read = []\n"
        "whole = pathlib.Path.read_text\n"
        "def noted(path, *rest, **more):\n"
        "    read.append(path.name)\n"
        "    return whole(path, *rest, **more)\n"
        "pathlib.Path.read_text = noted\n"
        "import vlm_operator.cli.main, vlm_operator.gpu.catalogue, vlm_operator.planning.choose\n"
        "assert read == [], read\n"
        "vlm_operator.gpu.catalogue.find_gpu('RTX-5090')\n"
        "vlm_operator.gpu.catalogue.find_gpu('H100')\n"
        "print(*sorted(read))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["memory_variants.tsv", "mig_slices.tsv", "products.tsv"], done.stderr


def test_the_wheel_ships_the_tables() -> None:
    assert {path.name for path in (PACKAGE / "gpu" / "data").iterdir()} == {
        "memory_variants.tsv",
        "mig_slices.tsv",
        "products.tsv",
    }


def strings_of(path: Path) -> list[str]:
    """String literals of a module without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words
    ]


def test_one_place_spells_the_vendors_resources() -> None:
    spelled = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if any(domain in text for text in strings_of(path) for domain in ("nvidia.com/", "amd.com/"))
    ]
    assert spelled == ["gpu/resources.py"]
