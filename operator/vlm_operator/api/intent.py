"""Convert a VLMDeployment's spec to an ``Intent``: what ``spec.engine`` sets is pinned."""

from __future__ import annotations

from typing import Any, Final

from vlm_operator.api.engine_spec import EngineSpec
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec, WorkloadSpec
from vlm_operator.engine.extra_flags import extra_settings
from vlm_operator.engine.flag import Kind
from vlm_operator.engine.flags import canonical_json, uncounted
from vlm_operator.engine.hf_overrides import as_text, hf_overrides
from vlm_operator.engine.host_flags import NO_FLAGS, host_flags
from vlm_operator.engine.settings import FLAGS, UNLIMITED, EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT, EngineVersion, default_image
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.planning.intent import GPUS_PER_NODE, Audios, Goal, Images, Intent, Videos, Workload
from vlm_operator.units import parse_bytes

_PLAIN: Final = {
    flag.api: name
    for name, flag in FLAGS.items()
    if flag.api not in (None, "lora") and flag.kind not in (Kind.SIZE, Kind.LIMITS, Kind.OBJECT)
}
"""Fields of ``spec.engine`` that are flags as they stand, and the flags' names."""


def intent_of(spec: VLMDeploymentSpec, version: EngineVersion) -> Intent:
    """The intent of a spec, for the vLLM release ``version`` (see ``engine_version``)."""
    settings, pinned = _settings_of(spec.engine)
    context = spec.context
    return Intent(
        goal=Goal(spec.goal) if spec.goal else None,
        workload=_workload_of(spec.workload) if spec.workload else None,
        minimum_context=context.minimum if context else None,
        maximum_context=context.maximum if context else None,
        settings=settings,
        pinned=pinned,
        version=version,
        gpu_count=spec.gpu.count if spec.gpu else None,
        gpus_available=(spec.topology.gpus_per_node if spec.topology else None) or GPUS_PER_NODE,
        nodes=spec.topology.most_nodes if spec.topology else 1,
        reserve_bytes=parse_bytes(str(spec.gpu.reserve), field="gpu.reserve") if spec.gpu and spec.gpu.reserve else 0,
        allow_fp8_kv_cache=spec.retune.allow_fp8_kv_cache,
        uncounted_flags=uncounted(spec.engine.extra_args) if spec.engine else (),
        hf_overrides=as_text(hf_overrides_of(spec)),
        host_flags=host_flags(spec.engine.extra_args) if spec.engine else NO_FLAGS,
        cpu_kv_cache_bytes=parse_bytes(spec.cpu.kv_cache_space, field="cpu.kvCacheSpace") if spec.cpu else None,
    )


def hf_overrides_of(spec: VLMDeploymentSpec) -> dict[str, Any] | None:
    """Fields of the model's config that ``engine.extraArgs`` replace (``--hf-overrides``), None where there are none.

    Raises:
        InputError: the flag's value is no JSON object.
    """
    return hf_overrides(spec.engine.extra_args, field="engine.extraArgs") if spec.engine else None


def engine_version(spec: VLMDeploymentSpec) -> EngineVersion:
    """The vLLM release that the spec's image holds: as stated, as the tag says, or the default where no image is set.

    Raises:
        UnknownFact: an image whose tag names no release, and none is stated.
    """
    engine = spec.engine
    if engine is not None and engine.vllm_version is not None:
        return EngineVersion.parse(engine.vllm_version, field="engine.vllmVersion")
    if engine is None or engine.image is None:
        return DEFAULT
    version = EngineVersion.of_image(engine.image)
    if version is None:
        raise UnknownFact(
            f"engine.image: {engine.image} does not say which vLLM release it holds",
            field="engine.image",
            hint="set engine.vllmVersion to the release that 'vllm --version' prints in it; only tags of images called "
            f"vllm with vLLM's own numbering are read as releases, such as {default_image(DEFAULT, cpu=False)}",
        )
    return version


def _settings_of(engine: EngineSpec | None) -> tuple[EngineSettings, frozenset[str]]:
    if engine is None:
        return EngineSettings(), frozenset()
    flags: dict[str, Any] = {
        flag: value for field, flag in _PLAIN.items() if (value := _field(engine, field)) is not None
    }
    if engine.lora is not None:
        flags["enable_lora"] = True
    if engine.kv_cache_memory_bytes is not None:
        flags["kv_cache_memory_bytes"] = parse_bytes(
            str(engine.kv_cache_memory_bytes), field="engine.kvCacheMemoryBytes"
        )
    counts, sizes = engine.limit_mm_per_prompt or {}, engine.limit_mm_per_prompt_sizes or {}
    limits: list[tuple[str, ModalityLimit]] = []
    for modality in sorted({*counts, *sizes}):
        size = sizes.get(modality)
        count = counts.get(modality, UNLIMITED)
        limits.append(
            (
                modality,
                ModalityLimit(count, size.width, size.height, size.num_frames) if size else ModalityLimit(count),
            )
        )
    if limits:
        flags["limit_mm_per_prompt"] = tuple(limits)
    for name, flag in FLAGS.items():
        if flag.kind is Kind.OBJECT and flag.api is not None and (given := getattr(engine, flag.api)) is not None:
            flags[name] = canonical_json(given)
    extra = extra_settings(engine.extra_args)
    twice = min(extra.keys() & flags.keys(), default=None)
    if twice is not None:
        raise InputError(
            f"engine.extraArgs: {FLAGS[twice].spelling} is set there and by a field of spec.engine",
            field="engine.extraArgs",
            hint="leave it out of extraArgs",
        )
    flags |= extra
    return EngineSettings(**flags), frozenset(flags)


def _field(engine: EngineSpec, path: str) -> Any:
    """The value of a field, or of a field of a field; None where one of them is not set."""
    value: Any = engine
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value


def _workload_of(workload: WorkloadSpec) -> Workload:
    images, videos, audios = workload.images, workload.videos, workload.audios or workload.audio
    return Workload(
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.output_tokens,
        images=Images(images.count, images.width, images.height) if images else None,
        videos=Videos(videos.count, videos.seconds, videos.width, videos.height, videos.frames_per_second)
        if videos
        else None,
        audios=Audios(audios.count, audios.seconds) if audios else None,
        concurrent_requests=workload.concurrent_requests,
        tokens_per_image=workload.tokens_per_image,
        tokens_per_video=workload.tokens_per_video,
        tokens_per_audio=workload.tokens_per_audio,
    )
