"""What a dry run is about: the model's folder, the GPU, and the flags: the plan's where there is a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vlm_operator.cli.intent_options import intent_of, overridden
from vlm_operator.engine.flag_objects import parse_object
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model
from vlm_operator.sources.model_folder import model_folder

_CONTEXTS: Final = tuple(2**power for power in range(11, 21))
"""Lengths whose need is asked: 2,048 to 1,048,576 tokens."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One dry run to be made.

    Attributes:
        settings: the plan's flags where a plan gives some, else those that the user gave.
        plan: None where our own code does not know the model or refuses the flags, for the reason ``unknown``.
        contexts: lengths whose need is asked beside the served one.
        items: images that the workload describes.
    """

    model: str
    revision: str | None
    folder: Path
    gpu: GPUFacts
    settings: EngineSettings
    version: EngineVersion
    plan: Plan | None
    unknown: str | None
    contexts: tuple[int, ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()
    hf_overrides: Mapping[str, Any] | None = None


def subject_of(values: dict[str, Any], version: str) -> Subject:
    """The subject of the command's options, planned for the release that will run.

    Raises:
        InputError: naming the option, its value and the remedy.
    """
    release = EngineVersion.parse(version)
    if values["filename"]:
        return _of_file(values, release)
    if not values["model"] or not values["gpu"]:
        missing = "gpu" if values["model"] else "model"
        raise InputError(f"{missing}: none is given", field=missing, hint="vlmctl dry-run MODEL --gpu PRODUCT")
    intent = intent_of({**values, "vllm_version": version}, gpu_count=values["gpu_count"])
    overrides = parse_object(values["hf_overrides"], "hf-overrides") if values["hf_overrides"] else None
    return _subject(values, find_gpu(values["gpu"]), intent, overrides)


def _of_file(values: dict[str, Any], release: EngineVersion) -> Subject:
    from vlm_operator.api.intent import hf_overrides_of
    from vlm_operator.api.intent import intent_of as intent_of_spec
    from vlm_operator.cli.deployment_file import read_deployments

    found = list(read_deployments(values["filename"]))
    if len(found) != 1:
        raise InputError(
            f"filename: {values['filename']} holds {len(found)} VLMDeployments, and a dry run is for one",
            field="filename",
        )
    spec = found[0].spec
    product = values["gpu"] or (spec.gpu.product if spec.gpu else None)
    if product is None:
        raise InputError(
            "gpu: the VLMDeployment names no GPU product",
            field="gpu",
            hint="give --gpu PRODUCT or set spec.gpu.product",
        )
    intent, _ = overridden(intent_of_spec(spec, release), values)
    named = {**values, "model": spec.model.source, "revision": spec.model.revision}
    return _subject(named, find_gpu(product), intent, hf_overrides_of(spec))


def _subject(values: dict[str, Any], gpu: GPUFacts, intent: Intent, overrides: Mapping[str, Any] | None) -> Subject:
    from vlm_operator.planning.choose import plan

    model, revision = values["model"], values["revision"]
    folder = model_folder(model, revision=revision, offline=values["offline"])
    planned, unknown = None, None
    try:
        facts = load_model(str(folder), hf_overrides=overrides)
        planned = plan(facts, gpu, intent)
        if planned.verdict is Verdict.UNKNOWN:
            unknown, planned = planned.message, None
    except (UnknownFact, InputError) as error:
        unknown = error.message  # vLLM is asked all the same: it may know, or refuse in its own words
    settings = planned.settings if planned is not None and planned.evaluation is not None else intent.settings
    images = intent.workload.images if intent.workload is not None else None
    items = ({"modality": "image", "width": images.width, "height": images.height},) if images is not None else ()
    return Subject(
        model, revision, folder, gpu, settings, intent.version, planned, unknown, _CONTEXTS, items, overrides
    )
