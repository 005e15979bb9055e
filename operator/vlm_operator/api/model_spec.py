"""``spec.model``: which model is served, with which token, and where its files are kept."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from vlm_operator.api.base import ApiModel, Rule, matching
from vlm_operator.api.model_cache_spec import ModelCacheSpec
from vlm_operator.api.model_config_spec import ModelConfigSpec

_ID_VALIDATOR, _ID_CEL = matching(
    r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,95})?",
    "must be a Hugging Face model id such as Qwen/Qwen3-VL-8B-Instruct",
)
_PATH_VALIDATOR, _PATH_CEL = matching(
    r"(/[A-Za-z0-9_@+=,:~ -][A-Za-z0-9._@+=,:~ -]*)+/?",
    "must be an absolute directory such as /models/qwen3-vl, without hidden parts or ..",
)
_REVISION_VALIDATOR, _REVISION_CEL = matching(
    r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}", "must be a commit, tag or branch of the model's repository"
)
_SECRET_VALIDATOR, _SECRET_CEL = matching(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a Secret in the same namespace"
)
_KEY_VALIDATOR, _KEY_CEL = matching(r"[A-Za-z0-9._-]{1,253}", "must be a key of that Secret")


class SecretKey(ApiModel):
    """One key of a Secret in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), _SECRET_VALIDATOR, _SECRET_CEL] = Field(
        description="Name of the Secret, in the VLMDeployment's namespace."
    )
    key: Annotated[str, Field(min_length=1, max_length=253), _KEY_VALIDATOR, _KEY_CEL] = Field(
        default="token", description="Key of the Secret that holds the token. Default: token."
    )


class ModelSpec(ApiModel):
    """Which model is served: a Hugging Face id, or a directory in a mounted volume."""

    id: Annotated[str, Field(min_length=1, max_length=193), _ID_VALIDATOR, _ID_CEL] | None = Field(
        default=None, description="Hugging Face id, for instance Qwen/Qwen3-VL-8B-Instruct. Exactly one of id and path."
    )
    path: Annotated[str, Field(min_length=1, max_length=1024), _PATH_VALIDATOR, _PATH_CEL] | None = Field(
        default=None,
        description="Directory with config.json and weights, in a volume that spec.podTemplate mounts into the "
        "container vllm. Exactly one of id and path.",
    )
    revision: Annotated[str, Field(min_length=1, max_length=128), _REVISION_VALIDATOR, _REVISION_CEL] | None = Field(
        default=None,
        description="Commit, tag or branch of the model's repository; a commit makes the plan reproducible. Becomes "
        "--revision. Default: the repository's main branch.",
    )
    token_secret_ref: SecretKey | None = Field(
        default=None,
        description="Secret with the Hugging Face token for gated models. The pod gets it as HF_TOKEN; the operator "
        "never reads it. Default: none.",
    )
    cache: ModelCacheSpec | None = Field(
        default=None,
        description="Where downloaded models and vLLM's compiled code lie. Default: a volume that goes with the pod; "
        "status.modelCache says what a new pod downloads again.",
    )

    config: ModelConfigSpec | None = Field(
        default=None,
        description="The model's config.json and processor files, for a model whose own the operator cannot reach: a "
        "private repository, a volume, a cluster without a network. The plan rests on them alone. Default: they are "
        "looked for in the catalogue and on the Hub.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.id) != has(self.path)",
            message="exactly one of id and path must be set: id for a model of the Hugging Face Hub, path for a "
            "directory in a mounted volume",
            holds=lambda m: (m.id is None) != (m.path is None),
        ),
        Rule(
            cel="!has(self.revision) || has(self.id)",
            message="revision belongs to id: a path has no revisions; remove revision",
            holds=lambda m: m.revision is None or m.id is not None,
        ),
    )

    @property
    def source(self) -> str:
        """The id or the path: what ``vllm serve`` takes as its model."""
        return self.id or self.path or ""
