"""Names this project uses on the API server: group, version, labels and annotations."""

from __future__ import annotations

from typing import Final, Literal

from vlm_operator.gpu.resources import PRODUCT_LABEL

GROUP: Final = "vlm-operator.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final[Literal["vlm-operator.dev/v1alpha1"]] = "vlm-operator.dev/v1alpha1"
FIELD_MANAGER: Final = "vlm-operator"
"""Field manager of every server-side apply."""

PAUSED_ANNOTATION: Final = f"{GROUP}/paused"
"""On a VLMDeployment, set to ``"true"``: the operator changes nothing until it is removed."""

FINGERPRINT_ANNOTATION: Final = f"{GROUP}/fingerprint"
"""On pods: the fingerprint of the effective vLLM command, by which start-up outcomes are told apart."""

DEPLOYMENT_LABEL: Final = f"{GROUP}/vlmdeployment"
"""On children and pods: name of the VLMDeployment they belong to."""

AGENT_LABEL: Final = f"{GROUP}/gpu-agent"
"""On pods of the agent: by them it is told whether what it measured still counts."""

SHARE_LABEL: Final = f"{GROUP}/gpu-share"
"""On pods of a server that shares its GPU, and on the group's ResourceClaim: ``spec.gpu.share.group``."""

MODEL_LABEL: Final = f"{GROUP}/model"
"""On StartupObservations: the model they are about, as far as a label can spell it."""

MODEL_CONFIG_LABEL: Final = f"{GROUP}/model-config"
"""On ConfigMaps that ``spec.model.config.configMapRef`` names: only those with this label are watched."""

GPU_PRODUCT_LABEL: Final = PRODUCT_LABEL
"""On nodes, by GPU feature discovery: which GPU product the node has."""

DRY_RUN_LABEL: Final = f"{GROUP}/dry-run-of"
"""On Jobs and pods of dry runs: name of the VLMDeployment they are for. Not ``DEPLOYMENT_LABEL``: its Service selects
pods by that."""

DRY_RUN_ANNOTATION: Final = f"{GROUP}/dry-run"
"""On Jobs of dry runs: digest of what is asked, by which answers are told apart."""
