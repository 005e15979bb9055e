"""Tables of simulated start-up peaks for ``docs/accuracy.md``: the prediction against vLLM's own profiling run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

from oracle.startup_peaks import WITHIN_GIB, Recorded, known_differences, model_of, predict, recorded
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.registry import by_architecture

TEXT = (
    "vLLM's own profiling run of each model, on a simulated CUDA allocator that only keeps books: vLLM's Python code,"
    " a few layers of each kind, no kernel run, compiled regions run piece by piece. Where vLLM printed torch's peak "
    "on a real GPU (five models with 0.11, one with 0.26), it met that to 0.01 GiB. Memory outside torch, CUDA graphs"
    " and the workspaces of quantised kernels are not in it. A cell: the number of start-ups, the mean difference, "
    "the worst one (prediction less simulation, GiB). A dash: not recorded. The start-ups are in "
    "`tests/data/startup_peaks`, and `hack/oracle/startup-peaks --all` prints each."
)


def table() -> str:
    """Family by release: number of start-ups, mean and worst difference in GiB."""
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for case in recorded():
        cells[family_of(case)][case.release].append(predict(case).peak - case.peak)
    releases = sorted({release for row in cells.values() for release in row}, key=EngineVersion.parse)
    lines = ["| family | " + " | ".join(releases) + " | all |", "|---|" + "--:|" * (len(releases) + 1)]
    for family, row in sorted(cells.items()):
        found = [_cell(row.get(release, ())) for release in releases]
        every_release = [each for some in row.values() for each in some]
        lines.append(f"| {family} | {' | '.join(found)} | {_cell(every_release)} |")
    columns = [_cell([each for row in cells.values() for each in row.get(release, ())]) for release in releases]
    every = [each for row in cells.values() for some in row.values() for each in some]
    lines.append(f"| all | {' | '.join(columns)} | {_cell(every)} |")
    return "\n".join(lines)


def _cell(differences: Iterable[float]) -> str:
    found = list(differences)
    if not found:
        return "-"
    return f"{len(found)}: {statistics.mean(map(abs, found)):.2f}, {max(found, key=abs):+.2f}"


def family_of(case: Recorded) -> str:
    """The family's name, or the architecture of a text model."""
    model = model_of(case.model)
    known = by_architecture(model.architecture)
    return known.family.name if known else model.architecture


def known() -> str:
    """Start-ups further off than is allowed, which bounds or a remark answer for."""
    lines = [f"- {name}: {difference:+.2f} GiB" for name, difference in sorted(known_differences().items())]
    return "\n".join([f"Further off than {WITHIN_GIB} GiB, for reasons that are not known yet:", "", *lines])
