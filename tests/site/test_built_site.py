"""The site that `make docs` built: complete, links that lead somewhere, nothing from elsewhere, fit for a phone."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from kit.chromium import Chromium, find_chromium

ROOT = Path(__file__).resolve().parents[2]
BUILT = os.environ.get("VLM_OPERATOR_SITE")
pytestmark = pytest.mark.skipif(not BUILT, reason="the site is built and tested by make docs")
SITE = ROOT / (BUILT or "build/site")


class _Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in {"canonical", "prev", "next"}:
            self.loads.append(found.get("href", ""))
        elif "src" in found:
            self.loads.append(found["src"])


@pytest.fixture(scope="module")
def pages() -> dict[Path, _Page]:
    return {path.resolve(): _Page(path) for path in sorted(SITE.rglob("*.html")) if path.name != "404.html"}


def test_every_page_of_the_documentation_is_there(pages: dict[Path, _Page]) -> None:
    wanted = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert wanted - {path.relative_to(SITE.resolve()) for path in pages} == set()
    assert len(pages) >= len(wanted) + 3


def test_every_link_leads_to_a_file_and_a_heading_that_exist(pages: dict[Path, _Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                broken.append(f"{path.name}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.name}: {link} has no such heading")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, _Page]) -> None:
    loaded = {address for page in pages.values() for address in page.loads if re.match(r"(https?:)?//", address)}
    assert loaded == set()
    styles = [path for path in SITE.rglob("*.css") if re.search(r"url\(['\"]?(https?:)?//", path.read_text())]
    assert styles == []


def test_the_search_knows_every_page(pages: dict[Path, _Page]) -> None:
    index = (SITE / "search" / "search_index.json").read_text(encoding="utf-8")
    missing = [path.name for path in pages if f'"{path.relative_to(SITE.resolve()).as_posix()}' not in index]
    assert missing == []


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium; install it or name it with CHROMIUM=PATH")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_a_phone_and_ask_the_network_for_nothing(dark: bool) -> None:
    chromium = find_chromium()
    assert chromium is not None
    with Chromium(chromium, width=390, height=844, dark=dark) as browser:
        for name in ("index", "at-home", "concepts", "scenarios", "reference/api", "reference/cli", "accuracy"):
            browser.open(SITE.resolve() / f"{name}.html")
            width = browser.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, f"{name} is {width} px wide on a phone of 390"
            scheme = browser.evaluate("document.body.getAttribute('data-md-color-scheme')")
            assert scheme == ("slate" if dark else "default")
            asked = [
                event["params"]["request"]["url"]
                for event in browser.events
                if event.get("method") == "Network.requestWillBeSent"
            ]
            assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
