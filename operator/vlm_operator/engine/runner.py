"""Select the vLLM model runner that serves a model: the two profile and count memory differently.

Source (vLLM): ``config/vllm.py: VllmConfig.use_v2_model_runner, _is_default_v2_model_runner_model,
_get_v2_model_runner_unsupported_features``, read in 0.21.0, 0.22.1 to 0.29.0 and 0.32.0. Before 0.22 the V1 runner is
the default for all. ``VLLM_USE_V2_MODEL_RUNNER`` overrides; it is not planned with.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

_V0_22: Final = EngineVersion(0, 22)
_V0_23: Final = EngineVersion(0, 23)
_V0_24: Final = EngineVersion(0, 24)
_V0_25: Final = EngineVersion(0, 25)
_V0_27: Final = EngineVersion(0, 27)
_V0_28: Final = EngineVersion(0, 28)
_V0_29: Final = EngineVersion(0, 29)

_PLAIN_0_22: Final = frozenset({"Qwen3ForCausalLM"})
_PLAIN_0_23: Final = _PLAIN_0_22 | {"LlamaForCausalLM", "MistralForCausalLM"}
_EXPERTS_0_25: Final = frozenset({"DeepseekV2ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"})
_EXPERTS_0_27: Final = _EXPERTS_0_25 | {
    "InklingForCausalLM",
    "InklingForConditionalGeneration",
    "KimiK3ForConditionalGeneration",
    "LongcatFlashNgramForCausalLM",
}
_EXPERTS_0_28: Final = _EXPERTS_0_27 | {"DeepseekV4ForCausalLM"}

_GENERATES: Final = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ChatGLMModel"),
    *("MiDashengLMModel", "MossAudioModel", "Qwen2_5OmniModel", "UltravoxModel"),
)
_POOLS: Final = ("ForTextEncoding", "Classification", "ForRewardModeling", "Model")


def pools(architecture: str) -> bool:
    """Whether vLLM serves embeddings, classes or rewards by default for what is so called, not text.

    Source: vLLM 0.11.2 and 0.32, ``config/model.py``, ``_SUFFIX_TO_DEFAULTS``; names such as ``ChatGLMModel``
    generate by the registry. Repositories of sentence-transformers pool whatever the architecture.
    """
    return architecture.endswith(_POOLS) and not architecture.endswith(_GENERATES)


def model_runner(
    version: EngineVersion,
    *,
    architecture: str,
    mixture_of_experts: bool,
    hybrid: bool,
    quantized: bool,
    pooling: bool = False,
) -> str:
    """``V1`` or ``V2``: the runner vLLM takes for a model where nothing overrides it."""
    if version >= _V0_29:
        return "V2"
    if version < _V0_22 or pooling:
        return "V1"
    if version < _V0_24:
        plain = architecture in (_PLAIN_0_23 if version >= _V0_23 else _PLAIN_0_22)
        return "V2" if plain and not (mixture_of_experts or quantized or hybrid) else "V1"
    if version < _V0_25:
        return "V2" if architecture in _PLAIN_0_23 | _EXPERTS_0_25 and not hybrid else "V1"
    listed = architecture in (
        _EXPERTS_0_28 if version >= _V0_28 else _EXPERTS_0_27 if version >= _V0_27 else _EXPERTS_0_25
    )
    if hybrid and not (listed and version >= _V0_27):
        return "V1"
    return "V2" if listed or not mixture_of_experts else "V1"
