"""How vLLM hands encoder outputs, and KV cache, from one instance to another: flags, variables, and since when.

Sources (vLLM 0.30 to 0.33): ``distributed/ec_transfer/ec_connector/cpu`` (``ECCPUConnector``: a region of shared memory
on both sides, read through NIXL; from 0.26 to 0.29 it only kept outputs on the host of the same instance),
``config/vllm.py: _resolve_mm_encoder_only`` (a producer loads no language model) and
``_resolve_allow_missing_mm_embeddings`` (a consumer takes items without pixels), ``envs.py``. The connector needs the
V2 runner.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.version import EngineVersion

TRANSFER_SINCE: Final = EngineVersion(0, 30)
"""First release whose ECCPUConnector reads another instance's memory (``ec_enable_nixl``)."""

RUNNER: Final = "V2"
"""The model runner that the connector needs (``ec_connector/cpu/connector.py``)."""

RUNNER_ENVIRONMENT: Final = {"VLLM_USE_V2_MODEL_RUNNER": "1"}

ENCODER_PORT: Final = 5601
"""Where a producer answers which items it holds: ``VLLM_EC_SIDE_CHANNEL_PORT``'s default."""

ENCODER_HOST_VARIABLE: Final = "VLLM_EC_SIDE_CHANNEL_HOST"
ENCODER_PORT_VARIABLE: Final = "VLLM_EC_SIDE_CHANNEL_PORT"

KV_HOST_VARIABLE: Final = "VLLM_NIXL_SIDE_CHANNEL_HOST"
"""Where an instance tells others about its KV cache; port 5600."""


def encoder_transfer(role: str, region_bytes: int) -> tuple[str, str]:
    """``--ec-transfer-config`` of a producer (``ec_producer``) or a consumer (``ec_consumer``).

    Args:
        region_bytes: of the region in shared memory (``ec_cpu_bytes``).
    """
    extra = {"ec_cpu_bytes": region_bytes, "ec_enable_nixl": True}
    config = {"ec_connector": "ECCPUConnector", "ec_role": role, "ec_connector_extra_config": extra}
    return "--ec-transfer-config", canonical_json(config)


def kv_transfer() -> tuple[str, str]:
    """``--kv-transfer-config`` of prefill and decode: either may send and receive, as a request says."""
    return "--kv-transfer-config", canonical_json({"kv_connector": "NixlConnector", "kv_role": "kv_both"})
