"""From a plan to what runs it: Deployment and Service, LeaderWorkerSet, ``docker run``, Compose, Quadlet, the command.

Belongs here: one file a form, templates, the strategic merge of ``podTemplate``. Does not: applying them
(``controller``). Called by ``lifecycle`` and ``vlmctl``: the same bytes.
"""

from vlm_operator.rendering.claim import Claim, claim_of
from vlm_operator.rendering.command_line import command_line
from vlm_operator.rendering.compose import compose
from vlm_operator.rendering.disaggregated import disaggregated_set, inference_service_of_roles
from vlm_operator.rendering.docker import docker
from vlm_operator.rendering.dry_run import DRY_RUN_CONTAINER, DryRunRequest, render_dry_run
from vlm_operator.rendering.gpu_share import SharedGPU
from vlm_operator.rendering.kserve import llm_inference_service
from vlm_operator.rendering.leader_worker_set import GROUP_INDEX, WORKER_INDEX, leader_worker_set, pod_arguments
from vlm_operator.rendering.manifest_yaml import to_yaml
from vlm_operator.rendering.pod_policy import PodTemplatePolicy, check_pod_template, check_spec
from vlm_operator.rendering.pod_template import CONTAINER, PodTemplateClash
from vlm_operator.rendering.quadlet import quadlet
from vlm_operator.rendering.roles import RolePod
from vlm_operator.rendering.server import (
    PORT,
    ServerRequest,
    render,
    server_arguments,
    server_image,
    server_request,
    server_resources,
)

__all__ = [
    "CONTAINER",
    "DRY_RUN_CONTAINER",
    "GROUP_INDEX",
    "PORT",
    "WORKER_INDEX",
    "Claim",
    "DryRunRequest",
    "PodTemplateClash",
    "PodTemplatePolicy",
    "RolePod",
    "ServerRequest",
    "SharedGPU",
    "check_pod_template",
    "check_spec",
    "claim_of",
    "command_line",
    "compose",
    "disaggregated_set",
    "docker",
    "inference_service_of_roles",
    "leader_worker_set",
    "llm_inference_service",
    "pod_arguments",
    "quadlet",
    "render",
    "render_dry_run",
    "server_arguments",
    "server_image",
    "server_request",
    "server_resources",
    "to_yaml",
]
