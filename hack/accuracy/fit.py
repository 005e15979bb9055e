"""Fit what structure cannot give: memory outside torch and the CUDA graph estimate. Prints the figures of the budget.

Ridge regression towards a prior: every coefficient starts as one pseudo-observation of what all start-ups have in
common, so that a coefficient with one or two start-ups behind it does not follow them blindly. Run it after adding
start-ups and put what it prints into ``operator/vlm_operator/capacity/startup/coefficients.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy.cases import Case, cases
from vlm_operator.capacity.startup.activation import activation
from vlm_operator.capacity.startup.compilation import compile_peak_bytes
from vlm_operator.capacity.startup.cuda_graphs import graph_count
from vlm_operator.capacity.startup.first_check import requested_bytes
from vlm_operator.capacity.startup.runner_buffers import runner_buffer_bytes
from vlm_operator.engine.budget_rules import Formula, budget_rules
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import MemoryKind
from vlm_operator.units import GIB

PRIOR = {
    "nonTorch HBM 0.11": 0.12,
    "nonTorch GDDR 0.11": 0.08,
    "nonTorch HBM 0.17": 0.22,
    "nonTorch GDDR 0.17": 0.13,
    "consumed HBM": 0.25,
    "consumed GDDR": 0.22,
    "tensorParallel HBM": 0.35,
    "tensorParallel GDDR": 0.15,
    "unified": 2.0,
    "graphBase": 0.05,
    "graphLayer": 0.20,
    "graphPeers": 0.25,
}
"""What is assumed before any start-up is looked at: GiB; graph layers in GiB for each 1,000 graphs x layers."""

PRIOR_WEIGHT = 1.0
"""Pseudo-observations behind the prior."""

LEAST = 0.03
"""GiB; the least that was ever printed for memory outside torch is 0.06."""


@dataclass(frozen=True)
class Equation:
    """``sum(coefficient x factor) = value`` (GiB), as one start-up says it."""

    case: str
    model: str
    factors: dict[str, float]
    value: float
    weight: float = 1.0


@dataclass(frozen=True)
class Structure:
    """What is counted from code, GiB."""

    requested: float
    weights: float
    peak: float
    kept: float
    buffers: float
    outside: dict[str, float]
    graphs: dict[str, float]
    subtracts_graphs: bool
    consumed: bool


def structure(case: Case) -> Structure:
    """The counted terms of a start-up and the factors of the fitted ones."""
    settings, version, gpu = case.settings, case.version, case.gpu
    rules = budget_rules(version, settings.runner or "V1")
    peak = activation(
        case.model, gpu, settings, version, rules=rules, run=case.encoder if rules.profiles_encoder else None
    )
    compiling = 0 if case.is_warm else compile_peak_bytes(case.model, settings, version)
    consumed = rules.formula is Formula.CONSUMED
    kind = "HBM" if gpu.memory_kind is MemoryKind.HBM else "GDDR"
    if consumed:
        outside = {f"consumed {kind}": 1.0}
    else:
        outside = {f"nonTorch {kind} {'0.11' if version < EngineVersion(0, 17) else '0.17'}": 1.0}
    if gpu.memory_kind is MemoryKind.UNIFIED:
        outside = {"unified": 1.0}
    if settings.tensor_parallel_size > 1:
        outside[f"tensorParallel {kind}"] = 1.0
    sizes = settings.cudagraph_capture_sizes or ()
    graphs: dict[str, float] = {}
    if sizes:
        graph_layers = graph_count(sizes, settings.max_num_seqs or 1) * case.model.text.layers / 1000
        graphs = {"graphBase": 1.0, "graphLayer": graph_layers}
        if settings.tensor_parallel_size > 1:
            graphs["graphPeers"] = graph_layers
    total = case.printed("total_gib")
    requested = (
        total * (settings.gpu_memory_utilization or 0)
        if total
        else requested_bytes(gpu.total_bytes, settings.gpu_memory_utilization or 0, version) / GIB
    )
    return Structure(
        requested=requested,
        weights=case.weights_bytes / GIB,
        peak=max(peak.peak_bytes, compiling) / GIB,
        kept=peak.moments.kept_bytes / GIB,
        buffers=runner_buffer_bytes(case.model, settings, rules) / GIB if consumed else 0.0,
        outside=outside,
        graphs=graphs,
        subtracts_graphs=rules.subtracts_graph_estimate,
        consumed=consumed,
    )


def equations(case: Case) -> list[Equation]:
    """What a start-up says about the fitted terms: printed terms first, else what the KV cache leaves over.

    A start-up that is held out says nothing; graphs on unified memory neither, because the host moves the figure.
    """
    known = structure(case)
    stock = case.row["class"] in {"stock", "older", "unified"}
    found: list[Equation] = []
    model = str(case.row["dimensions"])
    estimate = case.printed("graph_estimate_gib")
    if case.row.get("held_out"):
        return found
    if estimate is not None and known.graphs and case.row["class"] == "stock" and not case.row.get("speculative"):
        found.append(Equation(case.id, model, known.graphs, estimate, 0.5))
    if not stock or "note" in case.row:
        return found
    outside, consumed = case.printed("non_torch_gib"), case.printed("consumed_gib")
    if known.consumed and consumed is not None:
        value = consumed - known.weights - known.kept - known.buffers
        found.append(Equation(case.id, model, known.outside, value))
    elif not known.consumed and outside is not None:
        found.append(Equation(case.id, model, known.outside, outside))
    else:
        graphs = 0.0
        if known.subtracts_graphs and known.graphs:
            graphs = estimate if estimate is not None else dot(known.graphs, PRIOR)
        left = known.requested - known.weights - known.peak - known.buffers - graphs - case.kv_bytes / GIB
        found.append(Equation(case.id, model, known.outside, left, 0.5))
    return found


def dot(factors: dict[str, float], coefficients: dict[str, float]) -> float:
    return sum(factor * coefficients[name] for name, factor in factors.items())


def fit(data: Iterable[Equation]) -> dict[str, float]:
    """Coefficients, GiB: weighted least squares with the prior as pseudo-observations, none below ``LEAST``.

    Start-ups of one model with the same factors and value within 0.02 GiB count once.
    """
    unique: list[Equation] = []
    for equation in data:
        same = (
            other
            for other in unique
            if other.model == equation.model
            and other.factors == equation.factors
            and abs(other.value - equation.value) < 0.02
        )
        if next(same, None) is None:
            unique.append(equation)
    names = list(PRIOR)
    prior = np.array([PRIOR[name] for name in names])
    factors = np.array([[each.factors.get(name, 0.0) for name in names] for each in unique]).reshape(-1, len(names))
    values = np.array([each.value for each in unique])
    weighted = factors.T * np.array([each.weight for each in unique])
    solution = np.linalg.solve(
        weighted @ factors + PRIOR_WEIGHT * np.identity(len(names)), weighted @ values + PRIOR_WEIGHT * prior
    )
    return {name: max(float(value), LEAST) for name, value in zip(names, solution, strict=True)}


def predict(case: Case, coefficients: dict[str, float]) -> float:
    """KV cache of a start-up, GiB, with these coefficients and the printed weights."""
    known = structure(case)
    graphs = dot(known.graphs, coefficients) if known.subtracts_graphs else 0.0
    requested = requested_bytes(case.gpu.total_bytes, case.settings.gpu_memory_utilization or 0, case.version) / GIB
    return requested - known.weights - known.peak - known.buffers - dot(known.outside, coefficients) - graphs


def main() -> None:
    data = [equation for case in cases() for equation in equations(case)]
    for name, value in fit(data).items():
        behind = sorted({equation.case for equation in data if name in equation.factors})
        listed = "".join(f'            "{case}",\n' for case in behind)
        print(f'    "{name}": Fitted(\n        {value:.3f},\n        (\n{listed}        ),\n    ),')


if __name__ == "__main__":
    main()
