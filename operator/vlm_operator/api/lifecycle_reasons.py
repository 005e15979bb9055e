"""Reasons that the lifecycle gives beside those of plans and start-ups: the word, its meaning, what to do."""

from __future__ import annotations

from vlm_operator.engine.described import Described


class LifecycleReason(Described):
    """Reasons of the operator itself: what it waits for, and why it stops."""

    # --- before a plan ---
    ENGINE_VERSION_UNKNOWN = (
        "EngineVersionUnknown",
        "The image does not say which vLLM release it holds, or the release's rules are not known.",
        "Set engine.vllmVersion, or use an image whose tag names a known release.",
    )
    NO_MATCHING_GPU = (
        "NoMatchingGPU",
        "No node of the cluster offers the GPU product, resource and count.",
        "Correct spec.gpu, or add such a node; the message lists what the cluster has.",
    )
    GPU_UNKNOWN = (
        "GPUUnknown",
        "The memory of the GPU product is not known for certain.",
        "Install GPU feature discovery or the node agent, or name a known product.",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        "The spec breaks a rule that the API server did not check.",
        "Correct the field that the message names.",
    )
    POD_TEMPLATE_CLASH = (
        "PodTemplateClash",
        "spec.podTemplate sets something that the plan owns.",
        "Remove the path that the message names, or pin the value by its own field.",
    )
    APPLY_FAILED = (
        "ApplyFailed",
        "The API server could not take a child at several tries; it is tried again, ever more rarely.",
        "Read the API server's words in the message: an admission webhook, a quota or its storage may be away.",
    )
    MODEL_SOURCE_UNAVAILABLE = (
        "ModelSourceUnavailable",
        "The model's config could not be read just now; it is tried again.",
        "Check the network to the Hugging Face Hub, or mount the model and use model.path.",
    )

    LEADER_WORKER_SET_MISSING = (
        "LeaderWorkerSetMissing",
        "The plan spans several nodes, which a LeaderWorkerSet runs, and the cluster does not have that kind, or does "
        "not show it to the operator.",
        "Install LeaderWorkerSet (the message has the command), or use GPUs of one node.",
    )

    # --- a GPU for several ---
    GPU_SHARE_TOO_SMALL = (
        "GPUShareTooSmall",
        "The servers of the group take more than the GPU has for them; the message has the sum and who takes what.",
        "Lower context.maximum, the workload or gpu.reserve of one of them, or name a larger GPU.",
    )
    GPU_SHARE_IMPOSSIBLE = (
        "GPUShareImpossible",
        "The pods of the group cannot be brought onto the same GPU of this cluster.",
        "Set gpu.claim where NVIDIA's DRA driver runs, or replicate the GPU of a node that has one by time slicing.",
    )
    GPU_SHARE_WAITING = (
        "GPUShareWaiting",
        "Another server of the group starts: vLLM counts what others take while it profiles, so one starts at a time.",
        "Wait until the server that the message names serves, or repair it.",
    )

    # --- asking vLLM before a plan ---
    DRY_RUNNING = (
        "DryRunning",
        "vLLM itself is asked in a Job without a GPU, because a fact is not known or spec.dryRun is Always.",
        "",
    )
    CONFIGURATION_REJECTED = (
        "ConfigurationRejected",
        "vLLM rejected the model with these flags in the dry run, by a check that has no reason of its own here.",
        "Change what vLLM's sentence in the message names.",
    )
    MODEL_UNREADABLE = (
        "ModelUnreadable",
        "The dry run could not read the model's config: it is gated, not there, or not reachable from the pod.",
        "Do what the message says: accept the model's conditions, name the Secret with its token, or mount its volume.",
    )
    SIMULATION_CANNOT_TELL = (
        "SimulationCannotTell",
        "The dry run ended where vLLM asked for something that the simulated GPU does not have.",
        "Use a release or model family that plans know, or report the message; spec.dryRun: Never does not ask.",
    )
    DRY_RUN_OUT_OF_MEMORY = (
        "DryRunOutOfMemory",
        "The dry run needed more main memory than its limit; it is tried with twice as much, three times in all.",
        "Run vlmctl dry-run --save on a larger machine and apply the EngineFacts that it writes.",
    )
    DRY_RUN_DEADLINE_EXCEEDED = (
        "DryRunDeadlineExceeded",
        "The dry run did not end within half an hour; it is tried three times in all.",
        "Let the cluster take the Job's pod: the message says what it waited for; a change of the spec tries again.",
    )
    DRY_RUN_FAILED = (
        "DryRunFailed",
        "The dry run's program ended without an answer; it is tried three times in all.",
        "Read the message; use an image of vLLM with Python, or set spec.dryRun: Never.",
    )
    DRY_RUN_REJECTED = (
        "DryRunRejected",
        "The API server does not take the Job of the dry run.",
        "Allow such Jobs: the message has the words of the quota or policy; or set spec.dryRun: Never.",
    )

    # --- the course of things ---
    PLANNING = "Planning", "Facts are being read; no plan yet.", ""
    STARTING = "Starting", "The server is starting; vLLM has not made its capacity check yet.", ""
    VERIFIED = "CapacityCheckPassed", "vLLM passed its capacity check; the message compares measured and predicted.", ""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable", "All replicas are ready.", ""
    REPLICAS_UNAVAILABLE = (
        "ReplicasUnavailable",
        "Fewer replicas are ready than asked for.",
        "Wait for the start-up, or read the pods' events.",
    )
    SCALED_TO_ZERO = "ScaledToZero", "No replica is asked for.", "Raise spec.replicas."
    SERVING = "Serving", "The model answers requests.", ""
    RETUNING = "Retuning", "The start-up failed its check; other flags are being tried.", ""
    NOT_CONVERGING = (
        "NotConverging",
        "The changes did not bring the start-up nearer to fitting: estimate and GPU contradict each other.",
        "Compare status.attempts; look for other processes on the GPU; pin smaller flags.",
    )
    RETUNE_EXHAUSTED = (
        "RetuneExhausted",
        "retune.maxAttempts commands failed.",
        "Take the change that the message names, or raise retune.maxAttempts.",
    )
    RETUNE_DISABLED = (
        "RetuneDisabled",
        "The start-up failed, and retune.maxAttempts is 0.",
        "Take the change that the message names, or raise retune.maxAttempts.",
    )
    PINNED_FLAGS_STAND_IN_THE_WAY = (
        "PinnedFlagsStandInTheWay",
        "Only a change of a pinned flag would help, and pinned flags are never changed.",
        "Change or remove the field of spec.engine that the message names.",
    )
    NO_REQUEST_REFUSED = "NoRequestRefused", "The running command has refused no request for its length or items.", ""
    CONTEXT_TOO_SHORT = (
        "ContextTooShort",
        "The server is healthy and refuses requests that are longer than its context.",
        "Set what the message names, if such requests are meant to be served.",
    )
    ITEMS_REFUSED = (
        "ItemsRefused",
        "The server is healthy and refuses requests with too many or too large images, videos or sounds.",
        "Set what the message names, or send fewer or smaller items.",
    )
    REFUSALS_UNNAMED = (
        "RefusalsUnnamed",
        "The server's metrics count requests that were answered with a client error, and its log does not say why.",
        "Look at what the clients were answered: vLLM 0.32 logs 400 Bad Request alone.",
    )
    OUT_OF_MEMORY_IN_SERVICE = (
        "OutOfMemoryInService",
        "The GPU ran out of memory after a clean start, while requests were served.",
        "Lower --gpu-memory-utilization or --max-num-seqs, or cap pixels: pinned flags are never changed.",
    )
    LOG_UNREADABLE = (
        "LogUnreadable",
        "The start-up failed, but its log cannot be read any more.",
        "Read the pod's log where you keep logs; a changed spec starts a new episode.",
    )
