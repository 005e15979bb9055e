"""Look up the releases of vLLM that serve a model class, in the table read from vLLM's own registries."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from vlm_operator.engine.architecture_table import ENCODER_DATA_PARALLEL, MULTIMODAL, ONE_STAGE, TEXT
from vlm_operator.engine.version import EngineVersion

_SUFFIXES: Final = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel"),
    *("ForSequenceClassification", "ForTokenClassification", "ForAudioClassification", "ForImageClassification"),
    *("ForVideoClassification", "ClassificationModel", "ForRewardModeling", "RewardModel", "Model"),
)
"""vLLM serves a class that it does not know as another of the same name with one of these endings, in this order
(``config/model.py: _SUFFIX_TO_DEFAULTS``, ``models/registry.py: _normalize_arch``; 0.11.2 to 0.33.0)."""


_OF_TRANSFORMERS: Final = (
    (
        11,
        "AyaVisionForConditionalGeneration BambaForCausalLM ChameleonForConditionalGeneration Dots1ForCausalLM "
        "ErnieForTokenClassification ErnieModel FuyuForCausalLM Lfm2VlForConditionalGeneration MiniMaxForCausalLM "
        "MptForCausalLM PersimmonForCausalLM Phi4MultimodalForCausalLM RobertaForTokenClassification "
        "VaultGemmaForCausalLM XLMRobertaForTokenClassification",
    ),
    (
        19,
        "ExaoneMoeForCausalLM Ministral3ForCausalLM ModernVBertModel MusicFlamingoForConditionalGeneration "
        "Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM VibeVoiceAsrForConditionalGeneration",
    ),
    (24, "OpenAIPrivacyFilterForTokenClassification"),
)
"""Classes of Transformers that some release of vLLM since has no class of its own for: (first minor release whose
requirements take a Transformers with the class, names). Transformers 4.57.6, 5.5.4 and 5.10.2 were read
(``models/auto/modeling_auto.py``); vLLM runs such a class through its Transformers backend, where that takes it
(``models/registry.py: _ModelRegistry._try_resolve_transformers``, 0.11.2 to 0.33.0)."""


class Releases(NamedTuple):
    """Minor releases of 0.x, first and last inclusive."""

    first: int
    last: int


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[Releases, ...]]:
    found: dict[str, list[Releases]] = {}
    for first, last, names in (*TEXT, *MULTIMODAL):
        for name in names.split():
            found.setdefault(name, []).append(Releases(first, last))
    return {name: tuple(sorted(runs)) for name, runs in found.items()}


def releases_of(architecture: str) -> tuple[Releases, ...]:
    """Runs of minor releases whose registry holds the class or a base of it; empty where none from 0.11 on does.

    >>> releases_of("Qwen3_5ForConditionalGeneration")[0].first
    17
    """
    table = _table()
    known = table.get(architecture)
    if known is not None:
        return known
    suffix = next((suffix for suffix in _SUFFIXES if architecture.endswith(suffix)), None)
    if suffix is None:
        return ()
    bases = (architecture.replace(suffix, other) for other in _SUFFIXES)
    return next((table[base] for base in bases if base in table), ())


def serves(version: EngineVersion, architecture: str) -> bool:
    """Whether the registry of the release holds the class."""
    return any(run.first <= version.minor <= run.last for run in releases_of(architecture))


@lru_cache(maxsize=512)
def may_run_on_transformers(version: EngineVersion, architecture: str) -> bool:
    """Whether the release has no class of its own, but may run Transformers' through its backend."""
    if serves(version, architecture):
        return False
    return any(since <= version.minor and architecture in names.split() for since, names in _OF_TRANSFORMERS)


@lru_cache(maxsize=512)
def encoder_runs_data_parallel(version: EngineVersion, architecture: str) -> bool:
    """Whether ``--mm-encoder-tp-mode data`` keeps the class's encoder whole on every rank.

    Source: ``supports_encoder_tp_data`` of the class (``model_executor/models``); vLLM warns and divides the encoder
    where a class has it not (``config/model.py: ModelConfig.__post_init__``).
    """
    return any(
        first <= version.minor <= last and architecture in names.split() for first, last, names in ENCODER_DATA_PARALLEL
    )


@lru_cache(maxsize=512)
def has_pipeline_stages(version: EngineVersion, architecture: str) -> bool:
    """Whether the release divides the class into pipeline stages; True for a class that it does not have.

    Source: ``SupportsPP`` among the bases of the class (``model_executor/models``).
    """
    return not any(first <= version.minor <= last and architecture in names.split() for first, last, names in ONE_STAGE)
