"""What to do about pod, node and image? Advice for what no plan could have avoided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.version import EngineVersion

_CUDA_ERRORS: Final[Mapping[int, str]] = {
    802: "The GPUs are not initialised: start nvidia-fabricmanager on the node, in the version of its driver.",
    803: "The image brings a CUDA driver library of another version than the node's driver: unset the path to CUDA's "
    "compatibility library (LD_LIBRARY_PATH, VLLM_ENABLE_CUDA_COMPATIBILITY), or update the node's driver.",
    804: "The image needs a newer driver than the node has, and this GPU cannot run ahead of its driver: update the "
    "driver, or take an image of an older CUDA version.",
}
"""CUDA's error number (``driver_types.h``) to what mends it."""


def no_gpu_visible(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """The part of the node that is at fault, where CUDA's error number tells it."""
    assert isinstance(failure, families.NodeFailure)
    why = _CUDA_ERRORS.get(failure.code or 0)
    if why is not None:
        yield Advice(None, None, None, why)


def address_in_use(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """The port to change, or what listens there to end."""
    assert isinstance(failure, families.NodeFailure)
    port = failure.port or observation.flags.get("port")
    yield Advice("--port", port, None, "another port, or end what listens on it; pods with hostNetwork share ports")


def image(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Without compilation where it fails; with the package where one is missing."""
    assert isinstance(failure, families.ImageFailure)
    if failure.kind == "compilation_failed":
        eager = observation.flags.get("enforce_eager", False)
        if eager is not True:
            yield Advice("--enforce-eager", eager, True, "no torch.compile, no CUDA graphs; slower decoding")
    elif failure.package is not None:
        yield Advice(None, None, None, f"Build an image on top of vLLM's that holds {failure.package}.")
