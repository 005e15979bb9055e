"""Every page of the documentation is in the site's navigation, and every link between pages leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "hack/README.md")
PAGES = [*(path.relative_to(ROOT).as_posix() for path in sorted(DOCS.rglob("*.md"))), *OUTSIDE]


def _hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "hack" / "site" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _leaves(inner)


def _prose(page: str) -> str:
    """A page without its code: neither fenced blocks nor code in a line hold links."""
    text = re.sub(r"^( *)```.*?^\1```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def _anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_the_navigation_lists_every_page_once_and_nothing_else() -> None:
    listed = sorted(_leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    added = _hooks().PAGES.values()
    assert listed == sorted([*(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")), *added])


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_of_the_repository_leads_somewhere(page: str) -> None:
    broken = []
    for address in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", address):
            continue
        place, _, anchor = address.partition("#")
        target = (ROOT / page).parent / place if place else ROOT / page
        if not target.exists():
            broken.append(address)
        elif anchor and anchor not in _anchors(target.resolve().relative_to(ROOT).as_posix()):
            broken.append(f"{address}: no such heading")
    assert broken == []


def test_no_page_loads_anything_from_elsewhere() -> None:
    pictures = {page: re.findall(r"!\[[^]]*\]\((https?:[^)]+)\)", _prose(page)) for page in PAGES}
    assert {page: found for page, found in pictures.items() if found} == {}


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        pytest.param("contributing.md", "docs/concepts.md#top", "concepts.md#top", id="a root page links into docs"),
        pytest.param("scripts.md", "../docs/audit.md", "audit.md", id="a page of a folder links into docs"),
        pytest.param(
            "howto/model-cache.md", "../../examples/05-from-a-volume.yaml", "../examples/05-from-a-volume.yaml",
            id="a page links to an example",
        ),
        pytest.param("start/pipeline.md", "../concepts.md", "../concepts.md", id="links inside docs stay"),
        pytest.param("audit.md", "../no-such-file.yaml", "../no-such-file.yaml", id="a broken link stays"),
        pytest.param("audit.md", "https://vllm.ai/x", "https://vllm.ai/x", id="other addresses stay"),
    ],
)  # fmt: skip
def test_links_between_files_become_links_between_pages(page: str, link: str, on_the_site: str) -> None:
    assert _hooks().relinked(f"[text]({link})", page) == f"[text]({on_the_site})"
