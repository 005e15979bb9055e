"""A realistic cluster: everything planted is found, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import jsonschema

from kit.audit_cluster import UPGRADE, SimulatedCluster, simulated_cluster
from vlm_operator.audit.audit import Audit, audit, read_cluster
from vlm_operator.audit.fit_matrix import Outcome, WantedModel
from vlm_operator.audit.report import audit_to_json
from vlm_operator.cli.audit_models import facts_of_servers
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.traffic import read_traffic

ROOT = Path(__file__).resolve().parents[3]


@lru_cache(maxsize=1)
def audited() -> tuple[SimulatedCluster, Audit]:
    simulated = simulated_cluster()
    pages = {name: read_traffic(page) for name, page in simulated.metrics.items()}
    traffic = {name: page for name, page in pages.items() if page is not None}
    cluster = read_cluster(simulated.nodes, simulated.pods, {}, traffic)
    models = facts_of_servers(cluster.servers, offline=True)
    wanted = [WantedModel(name, facts) for name, facts in models.items() if isinstance(facts, ModelFacts)]
    return simulated, audit(cluster, models, wanted, to=EngineVersion.parse(UPGRADE))


def test_the_answer_follows_its_schema() -> None:
    schema = json.loads((ROOT / "docs/schemas/audit.schema.json").read_text(encoding="utf-8"))
    answer = json.loads(json.dumps(audit_to_json(audited()[1]), allow_nan=False))
    jsonschema.Draft202012Validator(schema).validate(answer)
    assert answer["fits"]
    assert answer["servers"]


def test_the_cluster_is_as_large_as_it_is_said_to_be() -> None:
    simulated, made = audited()
    assert len(simulated.nodes) == 60
    assert len(made.servers) == 120
    products = {group.gpu.product for group in made.fleet.groups}
    assert len(products) == 9
    assert any(group.gpu.mig_profile for group in made.fleet.groups)
    assert len(simulated.expected) == 30
    assert len({kind for kind, _ in simulated.expected}) >= 12


def test_all_that_is_planted_is_found_and_nothing_is_invented() -> None:
    simulated, made = audited()
    found = Counter((str(finding.kind), finding.subject.name) for finding in made.findings)
    assert found == Counter(simulated.expected)


def test_servers_of_every_maker_are_found_with_their_model() -> None:
    _, made = audited()
    owners = Counter(server.pod.workload.kind for server in made.servers)
    assert owners.keys() == {
        *("Deployment", "InferenceService", "LLMInferenceService", "LeaderWorkerSet", "StatefulSet", "VLMDeployment"),
        "Pod",
    }
    assert [server.pod.name for server in made.servers if server.model is None] == ["private-model"]


def test_cells_of_the_matrix_are_plans_of_the_planner() -> None:
    """Where a model fits on one node of a group, the cell is what ``vlmctl plan`` says."""
    _, made = audited()
    compared = 0
    for fit in made.fits:
        if fit.outcome not in {Outcome.AS_WANTED, Outcome.WITH_LEVERS} or fit.plan is None:
            continue
        own = plan(fit.plan.model, fit.group.gpu, Intent(gpus_available=fit.group.count))
        assert (fit.gpus, fit.verdict) == (own.gpu_count, own.verdict), (fit.model, fit.group.name)
        assert own.container is not None
        assert fit.max_model_len == own.container.max_model_len
        compared += 1
    assert compared > 30


def test_what_does_not_fit_one_node_says_how_many_gpus_it_needs() -> None:
    _, made = audited()
    cell = next(fit for fit in made.fits if "30B" in fit.model and fit.group.gpu.product == "NVIDIA-L40S")
    single = next(fit for fit in made.fits if "30B" in fit.model and fit.group.gpu.product == "NVIDIA-L4")
    assert 1 <= cell.gpus <= 4
    assert (single.outcome, single.group.count) == (Outcome.NEEDS_MORE, 1)
    assert single.gpus > 1
    assert single.startable == 0
