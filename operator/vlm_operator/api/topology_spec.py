"""``spec.topology``: on how many nodes one replica stands."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from vlm_operator.api.base import ApiModel, Integer, Rule, matching

AUTO: Final = "auto"
"""As few nodes as hold the model."""

_MESSAGE: Final = "must be a number of nodes from 1 to 64, or auto"
_NODES_VALIDATOR, _NODES_RULE = matching("auto|[1-9]|[1-5][0-9]|6[0-4]", _MESSAGE)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Nodes = Annotated[
    str,
    Field(max_length=4, json_schema_extra={"x-kubernetes-int-or-string": True}),
    BeforeValidator(_as_text),
    _NODES_VALIDATOR,
    Rule(f"type(self) == string ? {_NODES_RULE.cel} : self >= 1 && self <= 64", _MESSAGE),
]


class TopologySpec(ApiModel):
    """Nodes of one replica: layers are divided inside a node, stages of the pipeline stand on different nodes."""

    nodes: Nodes | None = Field(
        default=None,
        description="Nodes of one replica: a number, or auto for as few as hold the model. One is a "
        "Deployment, several are a LeaderWorkerSet, which the cluster must have. Default: 1.",
    )
    gpus_per_node: Annotated[Integer, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="GPUs of one node: the most that one pod asks for. Default: what the cluster's nodes have, and 8 "
        "where no node is known.",
    )

    @property
    def most_nodes(self) -> int | None:
        """The number of nodes, None for ``auto``."""
        return None if self.nodes == AUTO else int(self.nodes or 1)
