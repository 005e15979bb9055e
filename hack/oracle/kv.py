"""Compare the KV-cache and weight arithmetic with figures that vLLM's own code gave.

Every figure of every case must be equal: bytes per block, groups, needed bytes, blocks, longest context, capacity
tokens; by version also the outcome of the start, the bytes compared, the numbers of the error text and the smallest
container that starts. Weights may differ by what vLLM rounds: 0.1 % unquantised, 1 % quantised.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlm_operator.capacity.kv import KVLayout, kv_layout
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.units import GIB

Figures = dict[str, tuple[Any, Any]]
"""Name of a figure: (computed, vLLM's)."""

WEIGHT_TOLERANCE = 0.001


def main(path: Path, model_configs: Path | None = None, *, every_case: bool = False) -> int:
    """Check every line of ``path``; 0 if all figures are equal, else 1."""
    cases = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    folder = model_configs or path.parent.parent / "model-configs"
    models: dict[str, ModelFacts | VlmOperatorError] = {}
    compared: Counter[str] = Counter()
    equal: Counter[str] = Counter()
    failures = []
    weights = WeightTable()
    for case in cases:
        name = case["model"]
        if name not in models:
            models[name] = _facts(folder / f"{name}.json", name)
        label = (
            f"{case['vllm']:7} {name:46} tp {case['tensor_parallel_size']} {case['kv_cache_dtype']:5} "
            f"{case.get('max_num_batched_tokens') or '':5} {'async' if case.get('async_scheduling') else ''}"
        )
        model = models[name]
        try:
            if isinstance(model, VlmOperatorError):
                raise model
            figures = dict(_figures(model, case))
        except VlmOperatorError as error:
            failures.append(f"{label}: {error.message}")
            compared["read"] += 1
            continue
        wrong = {key: pair for key, pair in figures.items() if pair[0] != pair[1]}
        for key in figures:
            group = key.split("@", maxsplit=1)[0]
            compared[group] += 1
            equal[group] += key not in wrong
        if every_case:
            print(f"{label}  {len(figures) - len(wrong)} of {len(figures)} equal")
        if wrong:
            failures.append(f"{label}: " + "; ".join(f"{k} {a!r}, vLLM {b!r}" for k, (a, b) in list(wrong.items())[:3]))
        if not case.get("quantization_removed") and case.get("weight_bytes"):
            weights.add(label, model, case)
    _print_table(compared, equal)
    print(f"{len(cases) - len(failures)} of {len(cases)} cases equal in every figure")
    for line in failures[:40]:
        print(f"  differs: {line}")
    weights.print()
    return 1 if failures or not cases or weights.failed else 0


def _facts(path: Path, name: str) -> ModelFacts | VlmOperatorError:
    try:
        return read_model_facts(json.loads(path.read_text()), model=name, source=str(path))
    except VlmOperatorError as error:
        return error


def _print_table(compared: Counter[str], equal: Counter[str]) -> None:
    width = max(map(len, compared), default=6)
    print(f"{'figure':{width}}  compared   equal")
    for key, count in compared.items():
        print(f"{key:{width}}  {count:8}  {equal[key]:6}")


def _settings(case: Mapping[str, Any]) -> EngineSettings:
    return EngineSettings(
        tensor_parallel_size=case["tensor_parallel_size"],
        kv_cache_dtype=case["kv_cache_dtype"],
        max_num_batched_tokens=case.get("max_num_batched_tokens"),
        async_scheduling=bool(case.get("async_scheduling")),
        enable_prefix_caching=_prefix_caching(case),
    )


def _prefix_caching(case: Mapping[str, Any]) -> bool | None:
    """What the row says, for models where it matters; it means nothing for others."""
    recurrent = any(layer["kind"].startswith("Mamba") for layer in case["kv_layers"])
    return case.get("prefix_caching") if recurrent else None


def _figures(model: ModelFacts, case: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    capability = case.get("compute_capability")
    version = EngineVersion.parse(case["vllm"])
    layout = kv_layout(model, _settings(case), version, tuple(capability) if capability else None)
    limit = layout.derived_max_model_len
    yield "derived context", (limit, case["derived_max_model_len"])
    yield "element type", (model.dtype.value, case["dtype"].removeprefix("torch."))
    if layout.groups:
        yield "block size", (layout.block_size, case["block_size"])
    groups = [(group.kind, group.layers, group.block_size, group.page_size_bytes) for group in layout.groups]
    yield "groups", (groups, [_group(group) for group in case["kv_groups"]])
    yield "bytes per block", (layout.bytes_per_block, case["bytes_per_block"])
    for length, needed in case["needed_bytes_by_max_model_len"].items():
        yield f"needed bytes@{length}", (layout.needed_bytes(int(length)), needed)
    for length, least in case.get("least_bytes_that_start_by_max_model_len", {}).items():
        yield f"least bytes that start@{length}", (layout.least_bytes_that_start(int(length)), least)
    for size, row in case["by_kv_cache_gib"].items():
        yield from _container(layout, int(float(size) * GIB), row, size, case)
    for index, row in enumerate(case.get("override_cases", ())):
        size = int(row["kv_cache_gib"] * GIB)
        yield from _container(layout, size, row, f"override {index}", case, override=row["num_gpu_blocks_override"])


def _group(group: Mapping[str, Any]) -> tuple[str, int, int, int]:
    kind = group["kind"].removesuffix("KVCacheSpecs").removesuffix("Spec")
    return kind, group["layers"], group["block_size"], group["page_size_bytes"]


def _container(
    layout: KVLayout,
    size: int,
    row: Mapping[str, Any],
    at: str,
    case: Mapping[str, Any],
    *,
    override: int | None = None,
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    limit = layout.derived_max_model_len
    served = row["estimated_max_model_len"]
    longest = layout.longest_context(size, limit, num_gpu_blocks_override=override)
    if override is None or "starts" not in row:
        yield f"longest context@{at}", (longest, served)
    if row.get("num_blocks") is not None:
        blocks = layout.num_blocks(size, num_gpu_blocks_override=override)
        yield f"blocks@{at}", (blocks, row["num_blocks"])
    if row.get("capacity_tokens") is not None:
        tokens = layout.capacity_tokens(size, served, num_gpu_blocks_override=override)
        yield f"capacity tokens@{at}", (tokens, row["capacity_tokens"])
    if row.get("concurrency_at_estimated_len") is not None:
        # Where no length starts, the figure was taken at one token.
        concurrency = layout.concurrency(size, max(1, served), num_gpu_blocks_override=override)
        yield f"concurrency@{at}", (concurrency, row["concurrency_at_estimated_len"])
    if "starts" in row:
        yield from _start(layout, size, row, at, case["asked_max_model_len"], override)


def _start(
    layout: KVLayout, size: int, row: Mapping[str, Any], at: str, asked: int, override: int | None
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    yield f"starts@{at}", (layout.passes(size, asked, num_gpu_blocks_override=override), row["starts"])
    if row["needed_bytes"] is not None:
        yield f"needed bytes@asked {at}", (layout.needed_bytes(asked), row["needed_bytes"])
    if row["available_bytes_compared"] is not None:
        compared = layout.compared_bytes(size, num_gpu_blocks_override=override)
        yield f"bytes compared@{at}", (compared, row["available_bytes_compared"])
    printed = row.get("error_text_numbers")
    if printed and printed.get("estimated_max_model_len"):
        longest = layout.longest_context(size, asked, num_gpu_blocks_override=override)
        yield f"length in error text@{at}", (longest, int(printed["estimated_max_model_len"]))
    if "auto_fit_max_model_len" in row:
        fitted = layout.auto_fit_max_model_len(size, num_gpu_blocks_override=override)
        yield f"auto fit@{at}", (fitted, row["auto_fit_max_model_len"] or 0)


class WeightTable:
    """Weights of unquantised cases, with the worst named."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, str]] = []
        self.unknown: list[str] = []

    def add(self, label: str, model: ModelFacts, case: Mapping[str, Any]) -> None:
        try:
            computed = weight_bytes(model, _settings(case), EngineVersion.parse(case["vllm"])).total
        except VlmOperatorError as error:
            self.unknown.append(f"{label}: {error.message}")
            return
        self.rows.append((computed / case["weight_bytes"] - 1, label))

    @property
    def failed(self) -> bool:
        """True where a figure is off by more than the tolerance, or not known."""
        return bool(self.unknown) or any(abs(deviation) > WEIGHT_TOLERANCE for deviation, _ in self.rows)

    def print(self) -> None:
        if not self.rows and not self.unknown:
            return
        exact = sum(1 for deviation, _ in self.rows if deviation == 0)
        within = sum(1 for deviation, _ in self.rows if abs(deviation) <= WEIGHT_TOLERANCE)
        print(f"weights: {exact} of {len(self.rows) + len(self.unknown)} exact, {within} within {WEIGHT_TOLERANCE:.1%}")
        for deviation, label in sorted(self.rows, key=lambda row: -abs(row[0]))[:3]:
            print(f"  {deviation:+.4%}  {label}")
        for line in self.unknown[:10]:
            print(f"  unknown: {line}")
