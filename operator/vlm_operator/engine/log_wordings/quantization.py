"""Log wordings for a quantisation that does not match a flag, a type or the checkpoint.

Read in vLLM 0.8 to 0.33: ``model_executor/layers/quantization/``, ``model_executor/layers/fused_moe/``, ``config/``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import wordings
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final = (
    FailureKind(
        name="quantization_dtype_unsupported",
        reason=StartupReason.QUANTIZATION_DTYPE_UNSUPPORTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "{dtype:name} is not supported for quantization method {method:name}. Supported dtypes: {supported:list}",
            versions="0.6.3-",
        ),
    ),
    FailureKind(
        name="quantization_config_invalid",
        reason=StartupReason.QUANTIZATION_CONFIG_INVALID,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "Unknown quantization method: {method:name}. Must be one of {supported:list}",
            "Quantization method specified in the model config ({model_method:name}) does not match the quantization "
            "method specified in the `quantization` argument ({method:name})",
            "Cannot find the config file for {method:name}",
            "Invalid quantization method: {method:name}",
            "No {method:name} compatible scheme was found",
            versions="0.6.3-",
        ),
    ),
    FailureKind(
        name="quantization_refused",
        reason=StartupReason.CONFIGURATION_REJECTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=False,
        priority=41,
        case="vLLM's code for a quantisation or for experts does not support the checkpoint, a flag or a size.",
        case_remedy="Use another quantised checkpoint, remove --quantization or --moe-backend, lower "
        "--tensor-parallel-size if the quoted sentence names a size, or use a newer release.",
        wordings=wordings(
            "The block-wise quantization only supports dynamic activation scheme for now", versions="0.7-"
        ),
    ),
)
