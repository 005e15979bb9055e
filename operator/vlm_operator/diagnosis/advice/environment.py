"""Advice for failures of the pod, the node or the image, which no plan could have avoided."""

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
    "driver, or use an image of an older CUDA version.",
}
"""CUDA's error number (``driver_types.h``) to what mends it."""


_DRIVER_TOO_OLD: Final = (
    "The node's driver is older than the image's CUDA version needs: update it, or use an image of an older CUDA "
    "version."
)


def no_gpu_visible(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """The part of the node that is at fault, where CUDA's error number tells it."""
    assert isinstance(failure, families.NodeFailure)
    why = _CUDA_ERRORS.get(failure.code or 0)
    if "driver" in failure.numbers or "unsupported toolchain" in failure.message:
        why = _DRIVER_TOO_OLD
    if why is not None:
        yield Advice(None, None, None, why)


def gpu_error(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """What avoids the kernel, where the fault came while graphs were captured."""
    assert isinstance(failure, families.NodeFailure)
    if failure.stage != "graph":
        return
    sequences = observation.flags.get("max_num_seqs")
    why = (
        "fewer and smaller graphs; a hybrid model before 0.20 needs a state block for each sequence and does not say so"
    )
    yield Advice("--max-num-seqs", sequences, sequences // 2 if isinstance(sequences, int) else None, f"lower: {why}")
    yield Advice(
        "--enforce-eager", observation.flags.get("enforce_eager", False), True, "no CUDA graphs, slower decoding"
    )
    yield Advice(None, None, None, "If it also fails without graphs, look for an Xid in the node's kernel log.")


def address_in_use(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """The port to change, or what listens there to end."""
    assert isinstance(failure, families.NodeFailure)
    if "EADDRINUSE" in failure.message or "ZMQ" in failure.message:
        yield Advice("VLLM_PORT", failure.port, None, "first port between the processes (--master-port with nodes)")
        return
    port = failure.port or observation.flags.get("port")
    yield Advice(
        "--port", port, None, "another port, or stop the process that listens on it; pods with hostNetwork share ports"
    )


def image(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Without compilation where it fails; with the package where one is missing."""
    assert isinstance(failure, families.ImageFailure)
    if failure.kind in ("compilation_failed", "graph_capture_failed"):
        if failure.kind == "graph_capture_failed":
            sequences = observation.flags.get("max_num_seqs")
            yield Advice(
                "--max-num-seqs",
                sequences,
                sequences // 2 if isinstance(sequences, int) and sequences > 1 else None,
                "lower: fewer and smaller graphs; a hybrid model before 0.20 needs a state block for each sequence",
            )
        eager = observation.flags.get("enforce_eager", False)
        if eager is not True:
            yield Advice("--enforce-eager", eager, True, "no torch.compile, no CUDA graphs; slower decoding")
    elif "name" in failure.numbers:
        found = f"{failure.package} has {failure.numbers['name']}"
        why = f"Use an image whose {found}: a newer vLLM release brings a newer one."
        yield Advice(None, None, None, why)
    elif failure.package is not None:
        yield Advice(None, None, None, f"Build an image on top of vLLM's that holds {failure.package}.")
