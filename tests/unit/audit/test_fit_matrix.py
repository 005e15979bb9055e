"""The fit matrix says what the plan of each cell says, whatever it shares and skips."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kit.audit_manifests import node
from vlm_operator.audit.fit_matrix import Fit, Outcome, WantedModel, fit_matrix
from vlm_operator.audit.node_groups import NodeGroup, read_fleet
from vlm_operator.audit.planner import Planner
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.sources import catalogue, load_model

PRODUCTS = ("NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S", "NVIDIA-GeForce-RTX-5090", "Tesla-T4")
COUNTS = (8, 4, 2, 1)
SAMPLE = list(catalogue.entries())[::23]
"""Every twenty-third model of the catalogue: all sizes, families and quantisations that it is sorted by."""


def groups(*kinds: tuple[str, int]) -> tuple[NodeGroup, ...]:
    return read_fleet([node(f"node-{number}", *kind) for number, kind in enumerate(kinds)], []).groups


def plainly(model: WantedModel, group: NodeGroup) -> Plan | None:
    """The plan on this very node; where none fits, what up to eight of its GPUs would give."""
    on_eight = None
    for count in (group.count, 8):
        try:
            made = plan(model.facts, group.gpu, replace(model.intent, gpus_available=count))
        except InputError:
            continue
        if made.fits:
            return made
        on_eight = made
    return on_eight


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in SAMPLE])
def test_each_cell_is_what_the_plan_says_for_that_node(name: str) -> None:
    wanted = WantedModel(name, load_model(name, offline=True))
    every = groups(*((product, count) for product in PRODUCTS for count in COUNTS))
    for cell in fit_matrix([wanted], every, Planner()):
        made = plainly(wanted, cell.group)
        assert made is not None
        assert said(cell) == (
            made.verdict,
            str(made.reason),
            made.message,
            made.gpu_count if made.fits else 0,
            made.container.max_model_len if made.container is not None and made.fits else cell.max_model_len,
        )
        assert cell.plan is not None
        assert (cell.plan.settings, cell.plan.hint, cell.plan.remedies) == (made.settings, made.hint, made.remedies)


def said(cell: Fit) -> tuple[object, ...]:
    return cell.verdict, cell.reason, cell.message, cell.gpus, cell.max_model_len


def test_plans_are_shared_by_groups_that_differ_in_what_no_plan_reads() -> None:
    planner = Planner()
    wanted = WantedModel("Qwen/Qwen3-VL-2B-Instruct", load_model("Qwen/Qwen3-VL-2B-Instruct", offline=True))
    fit_matrix([wanted], groups(*((PRODUCTS[0], count) for count in COUNTS)), planner)
    assert planner.made == 1


def test_fewer_gpus_are_not_asked_about_where_more_did_not_do() -> None:
    """30B in bfloat16 needs eight T4: four fail, so two and one are not planned."""
    planner = Planner()
    name = "Qwen/Qwen3-VL-32B-Instruct"
    cells = fit_matrix(
        [WantedModel(name, load_model(name, offline=True))], groups(*(("Tesla-T4", count) for count in COUNTS)), planner
    )
    assert [cell.outcome for cell in cells][1:] == [Outcome.NEEDS_MORE] * 3
    assert planner.made == 2


def test_a_pinned_number_of_gpus_that_a_node_does_not_have_needs_more() -> None:
    pinned = Intent(settings=EngineSettings(tensor_parallel_size=2), pinned=frozenset({"tensor_parallel_size"}))
    name = "Qwen/Qwen3-VL-8B-Instruct"
    (two, one) = fit_matrix(
        [WantedModel(name, load_model(name, offline=True), pinned)],
        groups((PRODUCTS[0], 2), (PRODUCTS[0], 1)),
        Planner(),
    )
    assert (two.outcome, one.outcome, one.gpus) == (Outcome.AS_WANTED, Outcome.NEEDS_MORE, 2)
