"""Start-up peaks that vLLM's own profiling run has on a simulated GPU, and the project's prediction of each.

One line of ``tests/data/startup_peaks/RELEASE.jsonl`` is one start-up: model, flags, the dummy items that vLLM profiled
with, and GiB above the loaded weights. A model is an id of the built-in catalogue, or the name of a small config in
``models.json`` beside it (sizes only, written for this purpose).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from recorded.recorded_startups import settings_of
from vlm_operator.capacity.startup import startup_budget
from vlm_operator.capacity.startup.coefficients import CUBLAS_WORKSPACE_BYTES, SMALL_BUFFERS_BYTES
from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.resolution import resolved
from vlm_operator.sources import load_model
from vlm_operator.sources.catalogue import find
from vlm_operator.units import GIB

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "data" / "startup_peaks"
MODELS: Final = FOLDER / "models.json"
KNOWN: Final = FOLDER / "known_differences.json"
H100: Final = "NVIDIA-H100-80GB-HBM3"
WITHIN_GIB: Final = 0.15


@dataclass(frozen=True)
class Recorded:
    """One simulated start-up; all figures are GiB above the loaded weights.

    Attributes:
        name: model and setting; unique within a release.
        model: id of the catalogue, or a name in ``models.json``.
        flags: as ``recorded_startups.settings_of`` takes them.
        items: modality, count and output tokens of the dummy items; None where no encoder was profiled.
        encoder, text, sampler: the highest point of each moment; None where there is no such moment.
        outputs: what the encoder's inputs and outputs hold when the text pass begins.
        left: what is still allocated after the profiling run.
        peak: the highest point of all.
        gpu: product, where it is not an H100.
    """

    release: str
    name: str
    model: str
    flags: Mapping[str, Any]
    items: Mapping[str, Any] | None
    encoder: float | None
    text: float | None
    sampler: float | None
    outputs: float | None
    left: float
    peak: float
    gpu: str = H100

    @property
    def id(self) -> str:
        """Release and name."""
        return f"{self.release} {self.name}"


@dataclass(frozen=True)
class Predicted:
    """The project's figures for the same start-up, GiB, without what the simulation leaves out."""

    items: Mapping[str, Any] | None
    peak: float


def recorded() -> Iterator[Recorded]:
    """Every simulated start-up, release by release."""
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Recorded(release=path.stem, **json.loads(line))


def known_differences() -> dict[str, float]:
    """Differences (prediction less simulation, GiB) that are known and not mended yet, by ``Recorded.id``."""
    return dict(json.loads(KNOWN.read_text(encoding="utf-8")))


def predict(case: Recorded) -> Predicted:
    """The project's activation peak for that start-up.

    Raises:
        VlmOperatorError: the project does not answer.
    """
    model, gpu, version = model_of(case.model), find_gpu(case.gpu), EngineVersion.parse(case.release)
    settings = resolved(settings_of(dict(case.flags)), model, gpu, version)
    run = profiled_encoder(model, settings, version)
    budget = startup_budget(model, gpu, settings, version, weights=0)
    items = None if run is None else {"modality": run.modality, "count": run.items, "tokens": run.tokens_per_item}
    # Nothing is compiled on the simulated GPU: the peak is that of a start that finds the compile cache filled.
    warm = budget.activation_peak_bytes - budget.compile_bytes
    return Predicted(items, (warm - not_simulated_bytes(gpu)) / GIB)


def not_simulated_bytes(gpu: GPUFacts) -> int:
    """cuBLAS's workspace and small buffers: in the prediction, not in the recorded figures."""
    return workspace_bytes(gpu) + SMALL_BUFFERS_BYTES


def workspace_bytes(gpu: GPUFacts) -> int:
    """cuBLAS's workspace on that GPU."""
    return CUBLAS_WORKSPACE_BYTES[gpu.compute_capability is None or gpu.compute_capability >= (9, 0)]


@lru_cache(maxsize=128)
def model_of(name: str) -> ModelFacts:
    """A model of the catalogue, or one of ``models.json``."""
    files = _models().get(name)
    if files is None:
        return load_model(name, offline=True)
    with TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_text(json.dumps(content), encoding="utf-8")
        return load_model(folder, offline=True)


def has_model(name: str) -> bool:
    """True where the catalogue or ``models.json`` holds the model."""
    return name in _models() or find(name) is not None


@lru_cache(maxsize=1)
def _models() -> dict[str, dict[str, Any]]:
    return dict(json.loads(MODELS.read_text(encoding="utf-8"))) if MODELS.is_file() else {}
