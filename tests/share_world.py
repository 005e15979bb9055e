"""VLMDeployments that share one GPU, on nodes that replicate it by time slicing or whose GPUs are claimed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle_world import World
from vlm_operator.lifecycle.situation import GpuNode, Neighbour, Situation, StartupLog
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_model

H100 = "NVIDIA-H100-80GB-HBM3"
SMALL = "Qwen/Qwen3-VL-2B-Instruct"
MIDDLE = "Qwen/Qwen2.5-VL-7B-Instruct"
LARGE = "Qwen/Qwen3-VL-8B-Instruct"


def sliced_node(
    name: str = "node-1",
    product: str = H100,
    *,
    gpus: int | None = 1,
    replicas: int = 4,
    strategy: str = "time-slicing",
) -> GpuNode:
    """A node as gpu-feature-discovery labels it whose device plugin hands each GPU to several pods."""
    labels = {"nvidia.com/gpu.product": f"{product}-SHARED", "nvidia.com/gpu.replicas": str(replicas)}
    labels |= {"nvidia.com/gpu.sharing-strategy": strategy}
    labels |= {} if gpus is None else {"nvidia.com/gpu.count": str(gpus)}
    return GpuNode(name, labels, {"nvidia.com/gpu": str((gpus or 1) * replicas)}, ready=True)


def whole_node(name: str = "node-1", product: str = H100, gpus: int = 8) -> GpuNode:
    """A node whose GPUs go to one pod each."""
    return GpuNode(name, {"nvidia.com/gpu.product": product}, {"nvidia.com/gpu": str(gpus)}, ready=True)


@dataclass
class SharingWorld(World):
    """One member of a group.

    Attributes:
        name: of the VLMDeployment.
        cluster: the nodes.
        others: the other members.
    """

    name: str = "demo"
    product: str = H100
    cluster: tuple[GpuNode, ...] = (sliced_node(),)
    others: list[SharingWorld] = field(default_factory=list)

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        made = super().situation(logs)
        target = replace(made.target, name=self.name, uid=f"uid-{self.name}")
        neighbours = tuple(each.neighbour() for each in sorted(self.others, key=lambda each: each.name))
        return replace(made, target=target, nodes=self.cluster, neighbours=neighbours)

    def neighbour(self) -> Neighbour:
        """This member as another one sees it."""
        target = replace(World.situation(self).target, name=self.name, uid=f"uid-{self.name}")
        return Neighbour(target, self.model, pods=(self.pod,) if self.pod else ())

    @property
    def taken(self) -> dict[str, Any]:
        """``status.plan.share``."""
        return dict(self.status["plan"]["share"])

    @property
    def replicas(self) -> int | None:
        """What its Deployment asks for, None without one."""
        return None if self.deployment is None else int(self.deployment["spec"]["replicas"])


def member(name: str, model: str | ModelFacts = MIDDLE, *, context: int = 16384, **gpu: Any) -> SharingWorld:
    """A VLMDeployment of the group ``desk`` with a pinned context."""
    facts = load_model(model, offline=True) if isinstance(model, str) else model
    spec = {
        "model": {"id": facts.model},
        "gpu": {"share": {"group": "desk"}, **gpu},
        "engine": {"contextLength": context},
    }
    return SharingWorld(name=name, spec=spec, model=facts)


def group(*members: SharingWorld, cluster: tuple[GpuNode, ...] = (sliced_node(),)) -> tuple[SharingWorld, ...]:
    """The members know each other and stand in one cluster."""
    for each in members:
        each.others = [other for other in members if other is not each]
        each.cluster = cluster
        label = cluster[0].labels.get("nvidia.com/gpu.product", H100)
        each.product = label.removesuffix("-SHARED")
    return members
