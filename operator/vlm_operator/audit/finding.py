"""What an audit finds: kinds with meaning and remedy, severities, and one finding."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vlm_operator.engine.described import Described


class Severity(StrEnum):
    """How bad it is; each also stands for the ones above it in ``--fail-on``."""

    ERROR = "error"
    """It does not serve, or would not after a restart or the upgrade."""
    WARNING = "warning"
    """It serves, and wastes GPUs or memory, or is at risk."""
    INFO = "info"
    """Worth knowing; also what could not be audited."""

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class FindingKind(Described):
    """What is found, with its meaning and remedy."""

    WOULD_NOT_FIT = (
        "WouldNotFit",
        "The server would fail its memory check if it started again on its node with these flags.",
        "Change the flags as the finding says before the next restart or node drain.",
    )
    MAY_NOT_FIT = (
        "MayNotFit",
        "The server fits by the best estimate, but not by the lower bound: a restart may fail.",
        "Lower --max-model-len or --max-num-seqs for a safe margin.",
    )
    WOULD_BE_REFUSED = (
        "WouldBeRefused",
        "vLLM of this release would reject the command for a reason other than memory.",
        "Change the flag that the finding names.",
    )
    FLAG_NOT_IN_RELEASE = (
        "FlagNotInRelease",
        "The release of the image does not know a flag of the command: vLLM stops at an unrecognised argument.",
        "Remove or replace the flag.",
    )
    VARIABLE_NOT_IN_RELEASE = (
        "VariableNotInRelease",
        "The release of the image does not read an environment variable that other releases do: it has no effect.",
        "Remove or replace the variable.",
    )
    NOT_SERVING = (
        "NotServing",
        "The container restarts again and again, or has failed.",
        "Read the log with 'vlmctl diagnose' and change what it names.",
    )
    SHARED_GPU_OVERCOMMITTED = (
        "SharedGPUOvercommitted",
        "Servers that share the GPUs of a node ask for more memory together than the GPUs have.",
        "Lower --gpu-memory-utilization, or pin --kv-cache-memory-bytes, so that the sum stays below 1 for each GPU.",
    )
    NO_NODE_TAKES_IT = (
        "NoNodeTakesIt",
        "No node has the number of GPUs that the pod asks for, and takes it by node selector, required affinity and "
        "taints: it would stay pending after a restart.",
        "Change the node selector, the affinity, the tolerations or the number of GPUs, or label a node.",
    )
    NODE_CLOSED = (
        "NodeClosed",
        "The pod runs on a node that takes no new pods, and no other node has room for it.",
        "Free GPUs on another node, or open the node, before the pod restarts.",
    )
    GPUS_MISSING = (
        "GPUsMissing",
        "The command needs more GPUs than the pod asks for.",
        "Ask for as many GPUs as the parallel sizes need.",
    )
    GPUS_IDLE = (
        "GPUsIdle",
        "The pod asks for more GPUs than the command uses.",
        "Ask for fewer GPUs, or raise --tensor-parallel-size or --data-parallel-size.",
    )
    GPU_NOT_REQUESTED = (
        "GPUNotRequested",
        "A server uses a GPU that its pod does not ask for: the scheduler counts the GPU as free.",
        "Ask for the GPU in resources.limits.",
    )
    FEWER_GPUS_SUFFICE = (
        "FewerGPUsSuffice",
        "The same flags fit on fewer GPUs, with room for four requests of the whole context at once.",
        "Lower --tensor-parallel-size and the GPUs of the pod, if the throughput allows it.",
    )
    CACHE_BEYOND_REACH = (
        "CacheBeyondReach",
        "The KV cache is larger than all requests can fill: --max-num-seqs requests of --max-model-len take less.",
        "Lower --gpu-memory-utilization, or raise --max-num-seqs or --max-model-len.",
    )
    CONTEXT_OVERSIZED = (
        "ContextOversized",
        "The context is much longer than any request that the server has seen.",
        "Lower --max-model-len to what the traffic needs.",
    )
    CACHE_UNUSED = (
        "CacheUnused",
        "The traffic that the server has seen needs far less KV cache than it reserves.",
        "Lower --gpu-memory-utilization to what the finding names.",
    )
    REQUESTS_PREEMPTED = (
        "RequestsPreempted",
        "The KV cache was too small for the requests at once: some were stopped and computed again.",
        "Lower --max-num-seqs, or give the server more memory.",
    )
    ITEMS_UNLIMITED = (
        "ItemsUnlimited",
        "The server reserves memory for images or videos that --limit-mm-per-prompt could switch off.",
        "Set --limit-mm-per-prompt to what the requests hold.",
    )
    FLAGS_CANCEL_OUT = (
        "FlagsCancelOut",
        "One flag of the command has no effect because of another.",
        "Remove the flag without effect.",
    )
    FLAG_REPEATED = (
        "FlagRepeated",
        "A flag is given twice with different values: vLLM takes the last.",
        "Keep one of them.",
    )
    MEMORY_LIMIT_MISSING = (
        "MemoryLimitMissing",
        "The container has no memory limit: while it loads weights it may push others off the node.",
        "Set resources.limits.memory.",
    )
    SHARED_MEMORY_MISSING = (
        "SharedMemoryMissing",
        "Several ranks exchange data through /dev/shm, which has 64 MiB unless a volume is mounted there.",
        "Mount an emptyDir with medium Memory at /dev/shm.",
    )
    IMAGE_WITHOUT_RELEASE = (
        "ImageWithoutRelease",
        "The image's tag names no vLLM release: a pull may bring another one, and plans assume the newest known.",
        "Use a tag with a release, such as vllm/vllm-openai:v0.32.0.",
    )
    FLAG_GONE = (
        "FlagGone",
        "The release to upgrade to does not know a flag of the command: vLLM would stop at an unrecognised argument.",
        "Remove or replace the flag together with the upgrade.",
    )
    VARIABLE_GONE = (
        "VariableGone",
        "The release to upgrade to does not read an environment variable of the container.",
        "Remove or replace the variable together with the upgrade.",
    )
    UPGRADE_BREAKS = (
        "UpgradeBreaks",
        "The same command fits or starts today, and would not with the release to upgrade to.",
        "Change the flags as the finding says together with the upgrade.",
    )
    UPGRADE_SHRINKS_CACHE = (
        "UpgradeShrinksCache",
        "The release to upgrade to leaves a tenth or more less KV cache.",
        "Check that the traffic needs less than the new KV cache.",
    )
    DEFAULT_CHANGED = (
        "DefaultChanged",
        "A flag that the command leaves out has another default in the release to upgrade to.",
        "Pin the flag where the old value matters.",
    )
    NOT_AUDITED = (
        "NotAudited",
        "A server could not be audited: the model, the GPU, the release or the command is not known.",
        "Give what the finding names.",
    )
    NODE_UNREADABLE = (
        "NodeUnreadable",
        "The GPUs of a node cannot be told from its labels.",
        "Run NVIDIA gpu-feature-discovery on the node, or correct its labels.",
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a finding is about."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change or to know.

    Attributes:
        message: what is the case, with figures.
        remedy: what to do.
        figures: numbers behind the message; bytes are integers.
        about: what distinguishes it from others of its kind on the same object, such as a flag.
        pods: names of the pods that it was found on.
        known: a baseline accepts it.
    """

    kind: FindingKind
    severity: Severity
    subject: Subject
    message: str
    remedy: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    pods: tuple[str, ...] = ()
    known: bool = False

    @property
    def id(self) -> str:
        """Stable over runs: of kind, object and what it is about, not of figures or pod names."""
        text = "|".join((self.kind, self.subject.kind, self.subject.namespace, self.subject.name, self.about))
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
