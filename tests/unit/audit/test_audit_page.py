"""The page of an audit, without a browser: self-contained, and closed to what names hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from kit.audit_manifests import node, pod
from vlm_operator.audit.audit import audit, read_cluster
from vlm_operator.audit.fit_matrix import WantedModel
from vlm_operator.audit.forms.html import audit_to_html, plan_to_html
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.report import command
from vlm_operator.sources import catalogue

VLM = "Qwen/Qwen3-VL-8B-Instruct"
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
VOID = {"meta", "link", "input", "br", "img"}


class Structure(HTMLParser):
    """Counts elements, and checks that each is closed by its own tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Structure:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    return structure


def page_of(*, name: str = "p", image: str = "vllm/vllm-openai:v0.32.0") -> str:
    entry = catalogue.find(VLM)
    assert entry is not None
    facts = catalogue.load(entry)
    nodes = [node("h100", "NVIDIA-H100-80GB-HBM3", 8), node("l4", "NVIDIA-L4", 1)]
    flags = [VLM, "--max-model-len", "65536", "--limit-mm-per-prompt", '{"video": 0}']
    pods = [pod(name, "l4", args=flags, image=image, memory=None), pod("good", "h100", args=flags)]
    cluster = read_cluster(nodes, pods)
    return audit_to_html(audit(cluster, {VLM: facts}, [WantedModel(VLM + name, facts)]), stamp=f"made {name}")


def test_the_page_holds_all_it_needs() -> None:
    page = page_of()
    structure = read(page)
    assert all(address.startswith("#") for address in structure.addresses)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert "default-src 'none'" in page
    assert structure.counts["svg"] == 2


def test_names_are_text_wherever_they_stand() -> None:
    plain, hostile = page_of(), page_of(name=HOSTILE, image=f"vllm/vllm-openai:{HOSTILE}")
    assert read(hostile).counts["script"] == read(plain).counts["script"]
    assert "img" not in read(hostile).counts


def test_the_same_audit_gives_the_same_page() -> None:
    assert page_of() == page_of()


def test_a_plan_that_does_not_fit_has_its_page_too() -> None:
    entry = catalogue.find("Qwen/Qwen3-VL-30B-A3B-Instruct")
    assert entry is not None
    refused = plan(catalogue.load(entry), find_gpu("T4"), Intent(gpu_count=1))
    page = plan_to_html(refused, command(refused))
    read(page)
    assert "DoesNotFit" in page
    unknown = plan(catalogue.load(entry), find_gpu("AMD_Instinct_MI300X_OAM"), Intent())
    read(plan_to_html(unknown, command(unknown)))
