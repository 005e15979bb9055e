"""Reasons that Kubernetes gives for a start-up: the word, its meaning, what to do."""

from __future__ import annotations

from vlm_operator.engine.described import Described


class PodReason(Described):
    """What the kubelet or the scheduler says of the pod."""

    NODE_FAULT = (
        "NodeFault",
        "The node failed or drained the pod; the plan is not to blame.",
        "None: Kubernetes starts the pod elsewhere.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node can take the pod just now.",
        "Free a GPU, add a node, or tolerate its taints in spec.podTemplate; the message is the scheduler's.",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "The node cannot pull engine.image.",
        "Correct engine.image, or add imagePullSecrets in spec.podTemplate.",
    )
    CONTAINER_CONFIG_INVALID = (
        "ContainerConfigInvalid",
        "The container cannot be created: a Secret, ConfigMap or volume is missing or wrong.",
        "Create what the message names.",
    )
    STARTUP_PROBE_FAILED = (
        "StartupProbeFailed",
        "The server was not ready within the time of its start-up probe, and the kubelet ended it; the same command is "
        "started retune.maxAttempts times, at least once.",
        "Raise spec.podTemplate.spec.containers[vllm].startupProbe.failureThreshold, or mount a volume that holds the "
        "weights in spec.podTemplate.",
    )
