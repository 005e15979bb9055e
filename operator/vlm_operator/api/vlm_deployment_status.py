"""``status`` of a VLMDeployment: conditions, plan, attempts, measured figures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from vlm_operator.api.base import Bool, Integer, Listed, Number, StatusModel

Name = Annotated[str, Field(max_length=316)]
Sentence = Annotated[str, Field(max_length=4096)]
ByteCount = Annotated[Integer, Field(ge=-(2**62), le=2**62)]
TokenCount = Annotated[Integer, Field(ge=0, le=2**53)]
RequestCount = Annotated[Integer, Field(ge=0, le=2**53)]
Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Fingerprint = Annotated[str, Field(max_length=128)]


class Condition(StatusModel):
    """One condition, as Kubernetes' metav1.Condition defines it."""

    type: Annotated[str, Field(min_length=1, max_length=316)] = Field(
        description="Planned, CapacityVerified, Available, Ready, Reconciling, Stalled or ContextSufficient."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    observed_generation: Annotated[Integer, Field(ge=0)] | None = Field(
        default=None, description="Generation of the object that the condition is about."
    )
    last_transition_time: Timestamp = Field(description="When status last changed.")
    reason: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Why, as one CamelCase word of the closed list in docs/reference/api.md."
    )
    message: Annotated[str, Field(max_length=32_768)] = Field(
        description="Why, in words, with the numbers and the next step."
    )


class BudgetStatus(StatusModel):
    """Predicted memory of one GPU (the tightest rank), bytes."""

    total_bytes: ByteCount | None = Field(default=None, description="Memory of the GPU as CUDA reports it.")
    requested_bytes: ByteCount | None = Field(default=None, description="total x gpu_memory_utilization.")
    weights_bytes: ByteCount | None = Field(default=None, description="Weights on this GPU.")
    activation_peak_bytes: ByteCount | None = Field(default=None, description="Peak of the start-up's profiling run.")
    non_torch_bytes: ByteCount | None = Field(
        default=None, description="CUDA context, NCCL and other memory outside PyTorch."
    )
    cuda_graph_bytes: ByteCount | None = Field(default=None, description="Captured CUDA graphs.")
    kv_cache_bytes: ByteCount | None = Field(
        default=None, description="What is left for the KV cache: the best estimate."
    )
    kv_cache_low_bytes: ByteCount | None = Field(default=None, description="Lower bound (90 %) of kvCacheBytes.")
    kv_cache_high_bytes: ByteCount | None = Field(default=None, description="Upper bound (90 %) of kvCacheBytes.")
    kv_cache_warm_bytes: ByteCount | None = Field(
        default=None, description="Best estimate at a start-up that finds the compile cache filled, as later ones do."
    )


GiB = Annotated[str, Field(max_length=32)]


class BudgetGiBStatus(StatusModel):
    """The same budget for people: GiB (2^30 bytes) with two decimals."""

    total: GiB | None = Field(default=None, description="totalBytes in GiB.")
    requested: GiB | None = Field(default=None, description="requestedBytes in GiB.")
    weights: GiB | None = Field(default=None, description="weightsBytes in GiB.")
    activation_peak: GiB | None = Field(default=None, description="activationPeakBytes in GiB.")
    non_torch: GiB | None = Field(default=None, description="nonTorchBytes in GiB.")
    cuda_graph: GiB | None = Field(default=None, description="cudaGraphBytes in GiB.")
    kv_cache: GiB | None = Field(default=None, description="kvCacheBytes in GiB.")
    kv_cache_low: GiB | None = Field(default=None, description="kvCacheLowBytes in GiB.")
    kv_cache_high: GiB | None = Field(default=None, description="kvCacheHighBytes in GiB.")


class CupStatus(StatusModel):
    """What one request of the maximum length needs on each GPU."""

    max_model_len: TokenCount = Field(description="The context length, tokens.")
    needed_bytes: ByteCount = Field(description="Bytes of KV cache that such a request needs.")


class ContainerStatus(StatusModel):
    """What the predicted KV cache holds (best estimate)."""

    num_blocks: TokenCount | None = Field(default=None, description="Blocks of the KV cache.")
    capacity_tokens: TokenCount | None = Field(default=None, description="Tokens it holds, as vLLM's log will say.")
    max_model_len: TokenCount | None = Field(
        default=None, description="Longest context that would pass the capacity check."
    )
    concurrency: Number | None = Field(default=None, description="Requests of the context length held at once.")


class PlanGPUStatus(StatusModel):
    """The GPU shape the plan is for."""

    product: Name | None = Field(
        default=None, description="GPU product, as the node label says; absent on the CPU backend."
    )
    resource: Name | None = Field(
        default=None, description="Extended resource that the pod asks for, or that stands for what it claims."
    )
    claimed: Bool | None = Field(default=None, description="True where the pod gets the GPUs by a ResourceClaim.")
    shared: Bool | None = Field(default=None, description="True where other pods may be given the same GPU.")
    sources: Annotated[dict[str, Name], Field(max_length=8)] | None = Field(
        default=None,
        description="Who told which fact of the GPU (product, memory, computeCapability, free): agent, DRA or labels. "
        "What is not listed is the product catalogue's.",
    )
    count: Annotated[Integer, Field(ge=0)] | None = Field(default=None, description="GPUs of one replica.")
    nodes: Annotated[Integer, Field(ge=0)] | None = Field(
        default=None, description="Nodes of the cluster that have this many GPUs of the product."
    )
    nodes_per_replica: Annotated[Integer, Field(ge=1)] | None = Field(
        default=None, description="Nodes that one replica stands on, with as many GPUs each; absent where it is one."
    )
    choice: Sentence | None = Field(
        default=None,
        description="Why these GPUs, and the runner-up: free ones first, then the fewest, then none given up, then the "
        "smallest. Absent where there was nothing to choose.",
    )


class PlanShareStatus(StatusModel):
    """What the server takes of a GPU that it shares, as of when the plan was made."""

    group: Name = Field(description="spec.gpu.share.group.")
    takes_bytes: ByteCount = Field(description="What it takes at any load, its CUDA context and graphs included.")
    sum_bytes: ByteCount = Field(description="What all servers of the group take.")
    available_bytes: ByteCount = Field(description="What there is for them.")
    kept_bytes: ByteCount = Field(description="What is kept for others: the largest spec.gpu.reserve, or a desktop's.")


class PlanStatus(StatusModel):
    """The flags in force, the budget behind them and why."""

    verdict: Literal["Fits", "FitsTight", "DoesNotFit", "Unsupported", "Unknown"] = Field(
        description="Fits: the cup fits the lower bound of the KV cache. FitsTight: it fits the best estimate only. "
        "DoesNotFit: it does not. Unsupported: vLLM would refuse the command for a reason other than memory. "
        "Unknown: a figure is not known for certain, and nothing was guessed."
    )
    reason: Name = Field(description="Why, as one CamelCase word.")
    message: Sentence = Field(description="The verdict in one sentence, with its numbers and the next step.")
    hint: Sentence | None = Field(default=None, description="The next step.")
    explanation: Annotated[tuple[Sentence, ...], Field(max_length=64), Listed] = Field(
        default=(), description="The plan in plain sentences: container, cup, idle tokens, what each limit does."
    )
    vllm_version: Name | None = Field(default=None, description="vLLM release whose rules were used.")
    architecture: Name | None = Field(default=None, description="Architecture of the model.")
    gpu: PlanGPUStatus | None = Field(default=None, description="The GPU shape the plan is for.")
    share: PlanShareStatus | None = Field(
        default=None, description="Its part of the GPU; absent where it has GPUs of its own."
    )
    flags: dict[str, Any] = Field(
        default_factory=dict, description="Every flag that matters, by vLLM's own name (max_model_len, …)."
    )
    pinned: Annotated[tuple[Name, ...], Field(max_length=64), Listed] = Field(
        default=(), description="Flags that spec.engine pins."
    )
    command: Annotated[tuple[Annotated[str, Field(max_length=4096)], ...], Field(max_length=256), Listed] = Field(
        default=(), description="The command of the server."
    )
    fingerprint: Fingerprint | None = Field(
        default=None, description="Fingerprint of the effective command; a failed one is never tried again."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="The flags of the command, as the operator reads them back."
    )
    episode: Fingerprint | None = Field(
        default=None, description="Episode of the plan: a changed intent, image or GPU starts a new one."
    )
    budget: BudgetStatus | None = Field(default=None, description="Predicted memory of one GPU, bytes.")
    budget_gib: BudgetGiBStatus | None = Field(default=None, description="The same budget in GiB, for people.")
    cup: CupStatus | None = Field(default=None, description="What one request of the maximum length needs.")
    container: ContainerStatus | None = Field(default=None, description="What the predicted KV cache holds.")


class AttemptStatus(StatusModel):
    """One command that was tried, and how its start-up ended."""

    fingerprint: Fingerprint = Field(description="Fingerprint of the effective command.")
    episode: Fingerprint | None = Field(
        default=None, description="Episode the attempt belongs to: a changed intent, image or GPU starts a new one."
    )
    flags: dict[str, Any] = Field(
        default_factory=dict, description="Flags by which it differs from the attempt before; all of the first."
    )
    outcome: Literal["Starting", "Started", "Failed", "Incomplete"] = Field(
        description="Starting: not known yet. Started: vLLM serves. Failed: its log names why. Incomplete: the log "
        "ends before either."
    )
    reason: Name | None = Field(default=None, description="Reason of the failure, as one CamelCase word.")
    message: Sentence | None = Field(default=None, description="The failure in words, with the log's numbers.")
    numbers: dict[str, Any] = Field(
        default_factory=dict, description="Numbers that the log printed, by name (neededGiB, availableGiB, …)."
    )
    started_at: Timestamp | None = Field(default=None, description="When the container started.")
    finished_at: Timestamp | None = Field(default=None, description="When the outcome was known.")
    final: Bool | None = Field(
        default=None, description="True where the failure ended the episode: no other flags would mend it."
    )
    startup_probe_failures: Annotated[Integer, Field(ge=0)] | None = Field(
        default=None, description="Runs of the command that the start-up probe ended."
    )
    pod_uid: Name | None = Field(default=None, description="UID of the pod that tried it.")
    container_name: Name | None = Field(default=None, description="Container of the pod.")
    restart_count: Annotated[Integer, Field(ge=0)] | None = Field(
        default=None, description="Restart of the container that the outcome belongs to; with podUID, each counts once."
    )


class ObservedStatus(StatusModel):
    """What the running server printed at its start."""

    fingerprint: Fingerprint | None = Field(default=None, description="Fingerprint of the command that printed it.")
    kv_tokens: TokenCount | None = Field(default=None, description="Tokens that the KV cache holds.")
    kv_cache_bytes: ByteCount | None = Field(default=None, description="Memory of the KV cache of each GPU, bytes.")
    compile_cache: Literal["cold", "warm"] | None = Field(
        default=None, description="Whether torch.compile found its cache filled; a cold start-up finds less KV cache."
    )
    weights_bytes: ByteCount | None = Field(default=None, description="Weights on each GPU, bytes.")
    activation_peak_bytes: ByteCount | None = Field(default=None, description="Peak of the profiling run, bytes.")
    non_torch_bytes: ByteCount | None = Field(default=None, description="Memory outside PyTorch, bytes.")
    cuda_graph_bytes: ByteCount | None = Field(default=None, description="Captured CUDA graphs, bytes.")
    total_bytes: ByteCount | None = Field(default=None, description="Memory of the GPU as CUDA reports it, bytes.")
    free_bytes: ByteCount | None = Field(default=None, description="Memory that was free when vLLM started, bytes.")
    concurrency: Number | None = Field(default=None, description="Requests of the context length held at once.")
    predicted_kv_tokens: TokenCount | None = Field(
        default=None, description="What the plan had predicted for kvTokens."
    )


class RefusalStatus(StatusModel):
    """A child that the API server refused as it stands."""

    kind: Name = Field(description="Kind of the child.")
    name: Name = Field(description="Name of the child.")
    message: Sentence = Field(description="The API server's words.")
    digest: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Digest of the refused manifest: the same one is not sent again soon."
    )


class DryRunStatus(StatusModel):
    """The dry run of this generation of the spec: what vLLM was asked, and how it ended."""

    digest: Annotated[str, Field(max_length=64)] = Field(description="Digest of what is asked.")
    generation: Annotated[Integer, Field(ge=0)] = Field(description="Generation of the spec that asks.")
    state: Literal["Running", "Answered", "Refused", "Failed"] = Field(
        description="Running: its Job is under way. Answered: the EngineFacts hold what vLLM found. Refused: vLLM "
        "rejected model or flags. Failed: the Job gave no answer."
    )
    attempt: Annotated[Integer, Field(ge=0)] = Field(default=1, description="Number of the Job, from 1.")
    questions: Annotated[Integer, Field(ge=0)] = Field(default=1, description="Dry runs that this spec has asked for.")
    final: Bool | None = Field(default=None, description="True where no further Job is made for this spec.")
    reason: Name | None = Field(default=None, description="Reason of the refusal or failure, as one CamelCase word.")
    message: Sentence | None = Field(default=None, description="The same in words, or what the Job waits for.")
    started_at: Timestamp | None = Field(default=None, description="When the present Job was wanted.")
    finished_at: Timestamp | None = Field(default=None, description="When its end was known.")


class ModelCacheStatus(StatusModel):
    """The volume that holds downloaded models and compiled code."""

    volume: Literal["EmptyDir", "Claim", "CreatedClaim", "HostPath"] = Field(
        description="EmptyDir: goes with the pod. Claim: yours, never changed. CreatedClaim: made by the operator, "
        "deleted with the VLMDeployment. HostPath: a directory of the node."
    )
    name: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Name of the claim, or the directory."
    )
    download_bytes: ByteCount | None = Field(
        default=None, description="Weights that a new pod downloads where the volume does not hold them, bytes."
    )
    message: Sentence = Field(description="What a new pod, and so a retune, costs, and what to do about it.")


class RequestsStatus(StatusModel):
    """Requests that the running command refused, counted from its log. What they held is not kept."""

    fingerprint: Fingerprint | None = Field(
        default=None, description="Fingerprint of the command that refused them: another one is counted anew."
    )
    since: Timestamp | None = Field(default=None, description="When counting began.")
    refused_too_long: RequestCount = Field(
        default=0, description="Requests longer than the context, with or without the answer they asked for."
    )
    longest_refused: TokenCount | None = Field(
        default=None,
        description="Tokens that the longest of them needs; a lower bound where vLLM says 'at least'. Absent where no "
        "sentence tells.",
    )
    context_for_most: TokenCount | None = Field(
        default=None, description="The context that would have served 95 % of them, tokens."
    )
    refused_items: RequestCount = Field(
        default=0, description="Requests with more items than the limit, or an item above the encoder's budget."
    )
    sizes: Annotated[dict[str, dict[str, RequestCount]], Field(max_length=16)] = Field(
        default_factory=dict,
        description="How many refused requests needed how much, in steps of under 2 %: tokens of context, image/items "
        "of one request, image/tokens of one item.",
    )
    read_until: Annotated[dict[str, Timestamp], Field(max_length=2048)] = Field(
        default_factory=dict, description="The last line counted of each run: pod UID, container and restart."
    )


class RecommendationStatus(StatusModel):
    """What the traffic that was seen needs, judged by the planner. Never applied by itself."""

    fingerprint: Fingerprint | None = Field(default=None, description="Fingerprint of the command that served it.")
    context_length: TokenCount | None = Field(default=None, description="Context length, tokens.")
    max_num_seqs: TokenCount | None = Field(
        default=None, description="Requests at once; absent where no metrics were read while any ran."
    )
    gpu_memory_utilization: Number | None = Field(
        default=None, description="Share of each GPU's memory; absent on the CPU backend."
    )
    gpus: Annotated[Integer, Field(ge=0)] | None = Field(default=None, description="GPUs of one replica.")
    kv_cache_bytes: ByteCount | None = Field(
        default=None, description="KV cache of each GPU that the traffic fills, bytes."
    )
    requests: RequestCount | None = Field(default=None, description="Requests that it rests on.")
    longest_at_least: TokenCount | None = Field(
        default=None, description="The longest of them had at least so many tokens, prompt and answer."
    )
    longest_at_most: TokenCount | None = Field(default=None, description="And at most so many.")
    mean_tokens: TokenCount | None = Field(default=None, description="Tokens of a request on average.")
    peak_requests: RequestCount | None = Field(
        default=None, description="Most requests that ran or waited on one server when its metrics were read."
    )
    peak_cache_usage: Number | None = Field(default=None, description="Largest share of the KV cache in use, 0 to 1.")
    preemptions: RequestCount | None = Field(
        default=None, description="Requests that were stopped for want of KV cache and computed again."
    )
    message: Sentence | None = Field(default=None, description="Why, one part for each figure.")
    patch: dict[str, Any] = Field(
        default_factory=dict, description="The fields of spec that change, as a merge patch; empty where none does."
    )


class VLMDeploymentStatus(StatusModel):
    """What the operator chose, what happened, and what was measured."""

    observed_generation: Annotated[Integer, Field(ge=-1)] | None = Field(
        default=None, description="Generation of the spec that this status is about; -1 before the first."
    )
    gpu: Name | None = Field(
        default=None,
        description="The GPUs of one replica in short, for instance 2x NVIDIA-L4, or CPU; shown by kubectl get.",
    )
    context_length: TokenCount | None = Field(
        default=None, description="Context length in force, tokens; shown by kubectl get."
    )
    kv_tokens: TokenCount | None = Field(
        default=None,
        description="Tokens of the KV cache: measured once the server has started, predicted before; shown by kubectl "
        "get.",
    )
    replicas: Annotated[Integer, Field(ge=0, le=2**31 - 1)] | None = Field(
        default=None, description="Replicas that exist, ready or not; read through the scale subresource."
    )
    selector: Annotated[str, Field(max_length=512)] | None = Field(
        default=None,
        description="Label selector of the pods that answer requests, one a replica; read through the scale "
        "subresource.",
    )
    attempts_made: Annotated[Integer, Field(ge=0)] | None = Field(
        default=None, description="Commands tried for this spec; shown by kubectl get -o wide."
    )
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), Listed] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="Planned, CapacityVerified, Available and Ready, kstatus' Reconciling and Stalled while true, and "
        "ContextSufficient of a server that serves.",
    )
    plan: PlanStatus | None = Field(default=None, description="The flags in force and why.")
    attempts: Annotated[tuple[AttemptStatus, ...], Field(max_length=32), Listed] = Field(
        default=(), description="Commands tried for this spec, oldest first."
    )
    observed: ObservedStatus | None = Field(default=None, description="What the running server printed at its start.")
    model_cache: ModelCacheStatus | None = Field(
        default=None, description="Where downloads lie, and what a new pod downloads again."
    )
    requests: RequestsStatus | None = Field(
        default=None, description="Requests that the running command refused for their length or items."
    )
    recommendation: RecommendationStatus | None = Field(
        default=None, description="What the traffic needs; absent until enough requests were seen."
    )
    dry_run: DryRunStatus | None = Field(default=None, description="The dry run that was made for this spec, if any.")
    refusal: RefusalStatus | None = Field(
        default=None, description="The child that the API server refused, until it takes it."
    )
    paused: Bool | None = Field(default=None, description="True while the annotation vlm-operator.dev/paused is set.")
