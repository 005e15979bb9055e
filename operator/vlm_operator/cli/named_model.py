"""A model named on the command line, as the VLMDeployment that serves it: so every form is rendered in one way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.cli.deployment_file import PlannedDeployment
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.plan import Plan
from vlm_operator.sources import is_path

LONGEST_NAME: Final = 56
"""Characters of a name made from a model's, so that ``-cache`` still fits into 63."""


def planned_model(values: dict[str, Any], plan: Plan) -> PlannedDeployment:
    """The VLMDeployment of the model that ``vlmctl plan``'s options name, with the plan that they gave.

    Raises:
        InputError: the model is no directory that a server could read, or ``--cpu-kv-cache-space`` no whole GiB.
    """
    extra = ["--hf-overrides", values["hf_overrides"]] if values["hf_overrides"] else []
    spec: dict[str, Any] = {"model": _model(values), "engine": {"extraArgs": extra}}
    if values["cpu_kv_cache_space"]:
        spec["cpu"] = {"kvCacheSpace": values["cpu_kv_cache_space"]}
    deployment = parse(VLMDeployment, {"metadata": {"name": name_of(plan.model.model)}, "spec": spec})
    offer = GPUOffer(plan.gpu, GPU_RESOURCE, plan.gpu_count, node_label=plan.gpu.label) if plan.gpu else None
    return PlannedDeployment(deployment, plan, offer)


def _model(values: dict[str, Any]) -> dict[str, str]:
    name = values["model"]
    if not is_path(name):
        return {"id": name, **({"revision": values["revision"]} if values["revision"] else {})}
    path = Path(name).expanduser().absolute()
    directory = path.parent if path.suffix == ".json" else path
    if not directory.is_dir():
        raise InputError(
            f"model: {name} is no directory that a server could read",
            field="model",
            hint="give the directory that holds config.json and the weights",
        )
    return {"path": str(directory)}


def name_of(model: str) -> str:
    """A name for containers, services and units.

    >>> name_of("Qwen/Qwen3-VL-8B-Instruct"), name_of("/models/4 bits/")
    ('qwen3-vl-8b-instruct', 'vllm-4-bits')
    """
    last = model.rstrip("/").rpartition("/")[2].lower().removesuffix(".json")
    name = re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:LONGEST_NAME].strip("-")
    return name if name[:1].isalpha() else f"vllm-{name}".strip("-")
