"""``spec.model.config``: the model's own files where the operator cannot reach them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from vlm_operator.api.base import ApiModel, Rule, matching, ruled

CONFIG_FILES: Final = (
    "config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "hf_quant_config.json",
)
"""Files of a model that may be given inline; generation_config.json is accepted and has no effect on a plan."""

_NAME_VALIDATOR, _NAME_CEL = matching(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a ConfigMap in the same namespace"
)
_FILES_VALIDATOR, _FILES_RULE = ruled(
    Rule(
        cel=f"'config.json' in self && self.all(name, name in {list(CONFIG_FILES)})",
        message=f"must hold the object of config.json, and may hold {', '.join(CONFIG_FILES[1:])}",
        holds=lambda files: "config.json" in files and set(files) <= set(CONFIG_FILES),
    )
)


class ConfigMapReference(ApiModel):
    """A ConfigMap of the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253), _NAME_VALIDATOR, _NAME_CEL] = Field(
        description="Name of the ConfigMap. Its keys are file names, config.json is needed; it carries the label "
        "vlm-operator.dev/model-config."
    )


class ModelConfigSpec(ApiModel):
    """The model's config files, read as those of a folder are."""

    inline: Annotated[dict[str, dict[str, Any]], Field(max_length=8), _FILES_VALIDATOR, _FILES_RULE] | None = Field(
        default=None,
        description="File names with what they hold, for instance {config.json: {architectures: [...]}}. Exactly one "
        "of inline and configMapRef. Default: none.",
    )
    config_map_ref: ConfigMapReference | None = Field(
        default=None,
        description="A ConfigMap that holds the files; a change of its data makes the plan anew. Exactly one of inline "
        "and configMapRef. Default: none.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.inline) != has(self.configMapRef)",
            message="exactly one of inline and configMapRef must be set",
            holds=lambda config: (config.inline is None) != (config.config_map_ref is None),
        ),
    )
