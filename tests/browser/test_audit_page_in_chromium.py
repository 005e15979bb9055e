"""The page of an audit in a real browser: choosing cells, filters, sorting, keyboard, dark mode, print, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.audit_cluster import UPGRADE, simulated_cluster
from kit.chromium import Chromium, find_chromium
from vlm_operator.audit.audit import Audit, audit, read_cluster
from vlm_operator.audit.fit_matrix import WantedModel
from vlm_operator.audit.forms.html import audit_to_html, plan_to_html
from vlm_operator.cli.audit_models import facts_of_servers
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.report import command
from vlm_operator.sources import catalogue

EXECUTABLE = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium: apt-get install chromium, or CHROMIUM=/path/to/it"),
]
SHOWN = "[...document.querySelectorAll('{}')].filter(row => !row.hidden)"


@pytest.fixture(scope="module")
def made() -> Audit:
    simulated = simulated_cluster()
    cluster = read_cluster(simulated.nodes, simulated.pods)
    models = facts_of_servers(cluster.servers, offline=True)
    wanted = [WantedModel(name, facts) for name, facts in models.items() if isinstance(facts, ModelFacts)]
    return audit(cluster, models, wanted, to=EngineVersion.parse(UPGRADE))


@pytest.fixture(scope="module")
def page(made: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "audit.html"
    path.write_text(audit_to_html(made, stamp="made by a test"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def started() -> Iterator[Chromium]:
    assert EXECUTABLE is not None
    with Chromium(EXECUTABLE) as started:
        yield started


@pytest.fixture
def browser(started: Chromium, page: Path) -> Iterator[Chromium]:
    """The page, opened anew; afterwards nothing has failed in it, and it has asked no network for anything."""
    started.prefer(dark=False)
    started.open(page)
    yield started
    errors = [event for event in started.events if event.get("method") == "Runtime.exceptionThrown"]
    assert errors == []
    requests = [event for event in started.events if event.get("method") == "Network.requestWillBeSent"]
    addresses = [event["params"]["request"]["url"] for event in requests]
    assert addresses
    assert [address for address in addresses if not address.startswith("file:")] == []


def text(browser: Chromium, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"))


def test_a_cell_that_is_clicked_shows_its_plan(browser: Chromium, made: Audit) -> None:
    browser.click("#matrix tbody tr:nth-child(2) td:nth-child(4)")
    groups = list(dict.fromkeys(fit.group.name for fit in made.fits))
    models = list(dict.fromkeys(fit.model for fit in made.fits))
    fit = next(fit for fit in made.fits if (fit.model, fit.group.name) == (models[1], groups[2]))
    said = text(browser, "#cell")
    assert f"{fit.model} on {fit.group.name}" in said
    assert fit.message in said
    assert f"context up to {fit.max_model_len:,} tokens" in said
    assert browser.evaluate("document.querySelectorAll('#cell svg rect').length") >= 5
    assert browser.evaluate("document.querySelectorAll('#matrix [aria-selected]').length") == 1


def test_the_matrix_is_walked_by_arrow_keys(browser: Chromium) -> None:
    browser.evaluate("document.querySelector('#matrix td[tabindex=\"0\"]').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        browser.press(key)
    place = "[document.activeElement.parentElement.rowIndex, document.activeElement.cellIndex]"
    assert browser.evaluate(place) == [2, 3]
    browser.press("End")
    assert browser.evaluate(place)[1] == browser.evaluate("document.querySelector('#matrix tr').cells.length") - 1
    assert "No cell is chosen" not in text(browser, "#cell")


def test_models_are_filtered_by_name_and_outcome(browser: Chromium) -> None:
    rows = SHOWN.format("#matrix tbody tr")
    browser.click("#matrix-text")
    browser.type("30b")
    assert browser.evaluate(f"{rows}.map(row => row.cells[0].textContent)") == ["Qwen/Qwen3-VL-30B-A3B-Instruct"]
    assert text(browser, "#matrix-count").startswith("1 of ")
    browser.evaluate("document.querySelector('#matrix-text').value = ''")
    browser.evaluate(
        "(() => { const s = document.querySelector('#matrix-outcome'); s.value = 'NeedsMore';"
        " s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    assert browser.evaluate(f"{rows}.every(row => row.querySelector('td.outcome-NeedsMore'))")


def test_findings_are_filtered_by_severity_kind_and_text(browser: Chromium, made: Audit) -> None:
    rows = SHOWN.format("#findings tbody tr")
    for severity in ("warning", "info"):
        browser.click(f"input[name=severity][value={severity}]")
    errors = [finding for finding in made.findings if finding.severity == "error"]
    assert browser.evaluate(f"{rows}.length") == len(errors)
    browser.click("#finding-text")
    browser.type("crash-loop")
    assert browser.evaluate(f"{rows}.map(row => row.dataset.kind)") == ["NotServing"]
    assert text(browser, "#finding-count") == f"1 of {len(made.findings)} findings"


def test_findings_are_sorted_by_every_column(browser: Chromium) -> None:
    kinds = "[...document.querySelectorAll('#findings tbody tr')].map(row => row.dataset.kind)"
    browser.click("#findings button[data-sort=kind]")
    first = browser.evaluate(kinds)
    assert first == sorted(first, key=str.lower)
    browser.evaluate("document.querySelector('#findings button[data-sort=kind]').focus()")
    browser.press("Enter")
    assert browser.evaluate(kinds) == sorted(first, key=str.lower, reverse=True)
    head = "document.querySelector('#findings button[data-sort=kind]').parentElement.getAttribute('aria-sort')"
    assert browser.evaluate(head) == "descending"


def test_colours_follow_the_persons_wish_and_the_button(browser: Chromium) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for dark in (False, True):
        browser.prefer(dark=dark)
        seen[dark] = browser.evaluate(colour)
    assert seen[False] != seen[True]
    browser.click("#theme")
    assert browser.evaluate(colour) == seen[False]
    browser.click("#theme")
    assert browser.evaluate(colour) == seen[True]


CONTRAST = """
(() => {
  const luminance = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const weak = [];
  for (const element of document.querySelectorAll("h1, h2, p, td, th, dt, dd, small, label, .badge, .verdict, li")) {
    if (!element.textContent.trim() || element.hidden) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) weak.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(weak)];
})()
"""


@pytest.mark.parametrize("dark", [pytest.param(False, id="light"), pytest.param(True, id="dark")])
def test_all_text_has_the_contrast_that_people_need(browser: Chromium, dark: bool) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    browser.prefer(dark=dark)
    assert browser.evaluate(CONTRAST) == []


def test_everything_has_a_name_for_screen_readers(browser: Chromium) -> None:
    unnamed = """
    [...document.querySelectorAll("button, input, select, svg[role=img], section, [role=region], [role=grid]")]
      .filter((element) => !(element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") ||
        element.textContent.trim() || element.closest("label") || element.id === "matrix"))
      .map((element) => element.outerHTML.slice(0, 80))
    """
    assert browser.evaluate(unnamed) == []
    assert browser.evaluate("[...document.querySelectorAll('th')].every(head => head.hasAttribute('scope'))")
    assert browser.evaluate("document.documentElement.lang") == "en"
    ids = "[...document.querySelectorAll('[id]')].map(element => element.id)"
    assert browser.evaluate(f"new Set({ids}).size === {ids}.length")
    dangling = """
    [...document.querySelectorAll("[aria-labelledby]")]
      .filter(element => !document.getElementById(element.getAttribute("aria-labelledby"))).length
    """
    assert browser.evaluate(dangling) == 0


def test_it_prints(browser: Chromium) -> None:
    pages = browser.pdf()
    assert pages.startswith(b"%PDF")
    assert len(pages) > 20_000


def test_one_plan_is_the_same_kind_of_page(browser: Chromium, tmp_path: Path) -> None:
    entry = catalogue.find("Qwen/Qwen3-VL-8B-Instruct")
    assert entry is not None
    chosen = plan(catalogue.load(entry), find_gpu("RTX-5090"), Intent())
    path = tmp_path / "plan.html"
    path.write_text(plan_to_html(chosen, command(chosen)), encoding="utf-8")
    browser.open(path)
    assert chosen.message in text(browser, ".plan")
    assert "vllm serve Qwen/Qwen3-VL-8B-Instruct" in text(browser, ".plan pre")
    assert browser.evaluate("document.querySelectorAll('.plan svg rect.container').length") == 1
