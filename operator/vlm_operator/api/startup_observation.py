"""``StartupObservation``: memory terms measured at real start-ups, used by later plans.

One object per model and revision, GPU product, vLLM release and the flags that move memory. Conflicting measurements
are both kept: every term holds its lowest and highest value.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Integer, Rule
from vlm_operator.api.names import API_VERSION, GPU_PRODUCT_LABEL
from vlm_operator.api.vlm_deployment import ObjectMeta
from vlm_operator.api.vlm_deployment_status import ByteCount, Name, Sentence, Timestamp, TokenCount
from vlm_operator.gpu.resources import GPU_RESOURCE

Times = Annotated[Integer, Field(ge=0, le=2**53)]


class ObservationKey(ApiModel):
    """What a start-up must share with another for its memory to be the same."""

    model: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Hugging Face id, or path, of the model."
    )
    revision: Annotated[str, Field(max_length=128)] = Field(
        default="", description="Revision of the model; empty for the main branch at the time."
    )
    gpu_product: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description=f"GPU product, as the node label {GPU_PRODUCT_LABEL} spells it; CPU for none."
    )
    gpu_resource: Annotated[str, Field(max_length=75)] = Field(
        default=GPU_RESOURCE, description="Extended resource the pod asked for; tells MIG profiles apart."
    )
    vllm_version: Annotated[str, Field(min_length=1, max_length=80)] = Field(
        description="vLLM release, for instance 0.32.0."
    )
    flags: dict[str, Any] = Field(
        default_factory=dict, description="The flags that move memory, by vLLM's own name, resolved."
    )
    further_arguments: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=64)] | None = Field(
        default=None,
        description="engine.extraArgs, where one of them moves memory in a way that flags do not say.",
    )
    compile_cache: Literal["cold", "warm"] | None = Field(
        default=None,
        description="Whether torch.compile found its cache filled: a cold start-up finds less KV cache. Absent where "
        "nothing was compiled, or the log did not say.",
    )


class MeasuredTerm(ApiModel):
    """One memory term of the budget over all start-ups of the key, bytes per GPU."""

    lowest_bytes: ByteCount = Field(description="Lowest value measured, bytes.")
    highest_bytes: ByteCount = Field(description="Highest value measured, bytes.")
    latest_bytes: ByteCount = Field(description="Value of the newest start-up, bytes.")

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.lowestBytes <= self.latestBytes && self.latestBytes <= self.highestBytes",
            message="latestBytes must lie between lowestBytes and highestBytes",
            holds=lambda t: t.lowest_bytes <= t.latest_bytes <= t.highest_bytes,
        ),
    )


class Measurements(ApiModel):
    """What the start-ups of the key printed; a term that no log held is absent."""

    total: MeasuredTerm | None = Field(default=None, description="Memory of the GPU as CUDA reports it.")
    free: MeasuredTerm | None = Field(default=None, description="Memory that was free when vLLM started.")
    weights: MeasuredTerm | None = Field(default=None, description="Weights.")
    activation_peak: MeasuredTerm | None = Field(default=None, description="Peak of the profiling run.")
    non_torch: MeasuredTerm | None = Field(default=None, description="Memory outside PyTorch.")
    cuda_graph: MeasuredTerm | None = Field(default=None, description="Captured CUDA graphs.")
    kv_cache: MeasuredTerm | None = Field(default=None, description="KV cache.")
    serving_peak: MeasuredTerm | None = Field(
        default=None,
        description="What a server held, and tried to allocate, where it ran out of memory after a clean start.",
    )
    serving_shortage: MeasuredTerm | None = Field(
        default=None,
        description="What was missing then: later plans choose a utilisation that leaves so much more outside it.",
    )
    kv_tokens: TokenCount | None = Field(default=None, description="Tokens the KV cache held, newest start-up.")


class StartupObservationSpec(ApiModel):
    """The key, what was measured under it, and how often."""

    key: ObservationKey = Field(description="What the start-ups have in common. Fixed at creation.")
    measured: Measurements = Field(default_factory=Measurements, description="Memory terms, per GPU.")
    outcome: Literal["Started", "Failed"] = Field(description="How the newest start-up ended.")
    reason: Name | None = Field(default=None, description="Reason of the newest failure, as one CamelCase word.")
    message: Sentence | None = Field(default=None, description="The newest failure in words.")
    started: Times = Field(default=0, description="Start-ups that ended serving.")
    failed: Times = Field(default=0, description="Start-ups that failed.")
    first_observed_at: Timestamp | None = Field(default=None, description="When the first of them ended.")
    last_observed_at: Timestamp | None = Field(default=None, description="When the newest of them ended.")
    last_run: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Pod UID, container and restart of the newest start-up: each is counted once."
    )
    last_used_at: Timestamp | None = Field(
        default=None, description="When a plan last used it; the oldest unused go first."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.key == oldSelf.key",
            message="key is fixed: delete this StartupObservation, and the next start-up writes a new one",
        ),
    )


class StartupObservation(ApiModel):
    """Memory that vLLM start-ups took, by model, GPU, release and flags. Written by the operator.

    Plans use these figures in place of estimates and say so. Deleting one makes the operator estimate again.
    """

    api_version: Literal["vlm-operator.dev/v1alpha1"] = API_VERSION
    kind: Literal["StartupObservation"] = "StartupObservation"
    metadata: ObjectMeta
    spec: StartupObservationSpec
