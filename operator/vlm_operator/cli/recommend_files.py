"""A server and its traffic from files: the VLMDeployment, and pages of ``/metrics``."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_operator.api.intent import engine_version
from vlm_operator.cli.deployment_file import plan_deployment, read_deployments
from vlm_operator.cli.yaml_file import read_text
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.recommendation import PlanOf, Serving
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.seen_traffic import SeenTraffic, seen_in
from vlm_operator.planning.traffic import read_traffic


def from_files(filename: str, pages: Sequence[str], gpu: str | None, *, offline: bool) -> tuple[Serving, SeenTraffic]:
    """The server that the file plans, and what its pages of metrics say.

    Raises:
        InputError: no VLMDeployment or more than one, no page, or a file that is none of vLLM's.
    """
    deployments = list(read_deployments(filename))
    if len(deployments) != 1:
        raise InputError(f"filename: {filename} holds {len(deployments)} VLMDeployments", field="filename")
    if not pages:
        raise InputError(
            "metrics: -f needs what the server's /metrics printed",
            field="metrics",
            hint="curl http://SERVER:8000/metrics > FILE, then --metrics FILE",
        )
    planned = plan_deployment(deployments[0], gpu, offline=offline)
    spec = deployments[0].spec
    asked = plan_of(planned.plan, planned.offer, NOTHING)
    server = Serving(spec.to_wire(), engine_version(spec), planned.plan.settings, asked)
    traffic = []
    for page in pages:
        read = read_traffic(read_text(page, "metrics"))
        if read is None:
            raise InputError(f"metrics: {page} is no page of vLLM's metrics", field="metrics")
        traffic.append(read)
    return server, seen_in(traffic, planned.plan.settings.max_model_len)


def plan_of(made: Plan, offer: GPUOffer | None, evidence: Evidence) -> PlanOf:
    """Plans of other intents for the same model on the same GPUs."""
    if offer is None:
        return lambda intent: cpu_plan(made.model, intent, evidence)
    return lambda intent: plan(made.model, offer.gpu, offer.asked(intent), evidence)
