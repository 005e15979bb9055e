"""Quantisation schemes by the suffix that uploads carry in their names: what the uploader's tool writes by default.

A scheme is a rule, not a reading: group sizes and the modules left unquantised are the defaults of the tool that the
suffix and the uploader point to, and an uploader may have chosen others. Sources: the examples of llm-compressor
(``multimodal_vision``, ``quantization_w8a8_fp8``, ``quantization_w4a4_fp4``), the default configs of AutoAWQ and
GPTQModel, ``SKIP_QUANTIZATION_MODULES`` of unsloth_zoo (``peft_utils.py``), and the configs of quantised checkpoints
in the built-in catalogue, with which ``tests/unit/sources/test_derived.py`` compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_Config = Mapping[str, Any]
_SEPARATED: Final = r"[-_.]"


@dataclass(frozen=True, slots=True)
class UploadScheme:
    """One way in which published checkpoints are quantised.

    Attributes:
        words: the scheme in words, with the tool.
        suffix: what the name ends with, after a separator; groups are arguments of ``config``.
        owners: uploaders (lower case) that the rule is for; empty: all.
        config: the ``quantization_config`` that the tool writes; None where weights stay unquantised.
        kept: parts of module names that the tool leaves unquantised beside the tower, the projector and the head.
        experts_alone: where the model has routed experts, only these are quantised.
        keeps_tower: the vision and audio towers and the projector stay unquantised.
        caution: what the rule cannot know about such uploads, or nothing.
    """

    words: str
    suffix: str
    config: Callable[[Mapping[str, str]], _Config] | None
    owners: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    experts_alone: bool = False
    keeps_tower: bool = True
    caution: str = ""


@dataclass(frozen=True, slots=True)
class NamedUpload:
    """What a name says: a base model's name, a scheme, and the scheme's arguments."""

    base: str
    scheme: UploadScheme
    arguments: Mapping[str, str]

    @property
    def quantization_config(self) -> _Config | None:
        """As the tool writes it; None where weights stay unquantised."""
        return self.scheme.config(self.arguments) if self.scheme.config else None


def named_uploads(name: str) -> Iterator[NamedUpload]:
    """Every reading of a name as base and scheme, likeliest first; the name itself as a base is none of them.

    >>> [(found.base, found.scheme.words) for found in named_uploads("unsloth/gemma-3-27b-it-bnb-4bit")][0]
    ('gemma-3-27b-it', 'bitsandbytes NF4, as unsloth and Transformers write it')
    """
    owner, _, short = name.rpartition("/")
    for scheme in SCHEMES:
        if scheme.owners and owner.lower() not in scheme.owners:
            continue
        for found in _suffixes(scheme.suffix, short):
            arguments = {key: value.lower() for key, value in found.groupdict().items() if value}
            yield NamedUpload(short[: found.start()], scheme, arguments)


def _suffixes(pattern: str, short: str) -> Iterator[re.Match[str]]:
    """Matches that reach to the end of the name and leave a base, the longest suffix first."""
    expression = re.compile(rf"{_SEPARATED}(?:{pattern})", re.IGNORECASE)
    for start in range(1, len(short)):
        found = expression.fullmatch(short, start)
        if found:
            yield found


# --- what each tool writes ------------------------------------------------------------------------------------------


def _bits(arguments: Mapping[str, str]) -> int:
    """Bits of a weight that the suffix names, 4 where it names none."""
    return int(next((arguments[key] for key in ("bits", "before", "before_bits") if key in arguments), "4"))


def _compressed(layout: str, weights: _Config, activations: _Config | None = None) -> _Config:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }


def _integers(bits: int, group: int, *, symmetric: bool = True) -> _Config:
    weights = {"num_bits": bits, "type": "int", "strategy": "group", "group_size": group, "symmetric": symmetric}
    return _compressed("pack-quantized", weights)


def _fp8_dynamic(_: Mapping[str, str]) -> _Config:
    per_token = {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True}
    return _compressed("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}, per_token)


def _fp8_static(_: Mapping[str, str]) -> _Config:
    per_tensor = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False}
    return _compressed("float-quantized", {"num_bits": 8, "type": "float", "strategy": "tensor"}, per_tensor)


def _fp8_compressed_blocks(_: Mapping[str, str]) -> _Config:
    weights = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}
    return _compressed("float-quantized", weights, {"num_bits": 8, "type": "float", "dynamic": True})


def _fp8_blocks(_: Mapping[str, str]) -> _Config:
    return {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}


def _int8(_: Mapping[str, str]) -> _Config:
    per_token = {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True}
    return _compressed("int-quantized", {"num_bits": 8, "type": "int", "strategy": "channel"}, per_token)


def _weights_only(arguments: Mapping[str, str]) -> _Config:
    bits = _bits(arguments)
    if bits == 8:
        return _compressed("pack-quantized", {"num_bits": 8, "type": "int", "strategy": "channel"})
    return _integers(bits, int(arguments.get("group", "128")))


def _compressed_awq(arguments: Mapping[str, str]) -> _Config:
    return _integers(_bits(arguments), 32)


def _awq(arguments: Mapping[str, str]) -> _Config:
    return {
        "quant_method": "awq",
        "bits": _bits(arguments),
        "group_size": int(arguments.get("group", "128")),
        "zero_point": True,
        "version": "gemm",
    }


def _gptq(arguments: Mapping[str, str]) -> _Config:
    group = int(arguments.get("group", "128"))
    return {
        "quant_method": "gptq",
        "bits": _bits(arguments),
        "group_size": group,
        "sym": True,
        "desc_act": False,
    }


def _auto_round(arguments: Mapping[str, str]) -> _Config:
    return {
        "quant_method": "auto-round",
        "bits": _bits(arguments),
        "group_size": 128,
        "sym": True,
        "packing_format": "auto_round:auto_gptq",
    }


_UNSLOTH_SKIPS: Final = (
    "lm_head",
    "multi_modal_projector",
    "merger",
    "modality_projection",
    "router",
    "mlp.gate",
    "block_sparse_moe.gate",
    "mamba",
    "audio_tower",
    "vision_tower",
    "vision_embedder",
    "embed_vision",
    "embed_audio",
)


def _bitsandbytes(arguments: Mapping[str, str]) -> _Config:
    four = _bits(arguments) == 4
    return {
        "quant_method": "bitsandbytes",
        "load_in_4bit": four,
        "load_in_8bit": not four,
        "llm_int8_skip_modules": list(_UNSLOTH_SKIPS),
    }


def _modelopt(algorithm: str) -> Callable[[Mapping[str, str]], _Config]:
    return lambda _: {"quant_method": "modelopt", "quant_algo": algorithm, "ignore": ["lm_head"]}


def _nvfp4(_: Mapping[str, str]) -> _Config:
    floats = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
    return _compressed("nvfp4-pack-quantized", floats, {**floats, "dynamic": "local"})


def _nvfp4_weights_only(_: Mapping[str, str]) -> _Config:
    floats = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
    return _compressed("nvfp4-pack-quantized", floats)


# --- the table ------------------------------------------------------------------------------------------------------

_SMALL_PROJECTIONS: Final = ("linear_attn.in_proj_a", "linear_attn.in_proj_b")
"""Too few rows for packed or blocked weights."""
_LINEAR_ATTENTION: Final = ("linear_attn.",)
_NVIDIA: Final = frozenset({"nvidia"})
_CYANKIWI: Final = frozenset({"cyankiwi", "cpatonn"})
_RED_HAT: Final = frozenset({"redhatai", "neuralmagic", "nm-testing"})
_BLOCK_FP8: Final = frozenset({"qwen", "deepseek-ai", "minimaxai", "xiaomimimo"})
_BITS: Final = r"(?:int|w)?(?P<bits>[48])(?:[-_]?bits?|b)?"
_BITS_BEFORE: Final = r"(?:int(?P<before>[48])|(?P<before_bits>[48])[-_]?bits?)"
"""Told from the size that a name ends with (``8B``)."""
_GROUP: Final = r"(?:[-_]?(?:g|gs|group)?(?P<group>32|64|128)g?)?"

SCHEMES: Final = (
    UploadScheme(
        "bitsandbytes NF4, unsloth's dynamic choice of layers",
        r"unsloth[-_]bnb[-_]4bit",
        _bitsandbytes,
        keeps_tower=False,
        caution="further layers of unsloth's choice stay in 16 bit, and are not counted",
    ),
    UploadScheme(
        "bitsandbytes NF4, as unsloth and Transformers write it",
        r"(?:bnb[-_](?:nf)?(?P<bits>4)(?:[-_]?bits?)?|nf4)",
        _bitsandbytes,
        keeps_tower=False,
    ),
    UploadScheme("bitsandbytes INT8", r"bnb[-_](?:int)?(?P<bits>8)(?:[-_]?bits?)?", _bitsandbytes, keeps_tower=False),
    UploadScheme(
        "AWQ in compressed-tensors' format, groups of 32",
        rf"awq[-_]{_BITS}",
        _compressed_awq,
        owners=_CYANKIWI,
        kept=_LINEAR_ATTENTION,
    ),
    UploadScheme(
        "AWQ, as AutoAWQ writes it",
        rf"(?:{_BITS_BEFORE}[-_])?awq(?:[-_]{_BITS})?(?:[-_]?a16)?(?:[-_](?:marlin|gemm|sym))?{_GROUP}",
        _awq,
        kept=_SMALL_PROJECTIONS,
    ),
    UploadScheme(
        "GPTQ, as GPTQModel writes it",
        rf"(?:{_BITS_BEFORE}[-_])?gptq(?:[-_]{_BITS})?(?:[-_]?a16)?{_GROUP}",
        _gptq,
        kept=_SMALL_PROJECTIONS,
    ),
    UploadScheme(
        "AutoRound, groups of 128",
        rf"(?:{_BITS_BEFORE}[-_](?:mixed[-_])?)?(?:auto[-_]?round|inc)(?:[-_](?:int)?4(?:bit)?)?(?:[-_]gptq)?",
        _auto_round,
        kept=_SMALL_PROJECTIONS,
    ),
    UploadScheme(
        "integer weights, 16-bit activations, as llm-compressor writes them",
        rf"(?:quantized[-_.])?w(?P<bits>[48])a16{_GROUP}",
        _weights_only,
        kept=_LINEAR_ATTENTION,
    ),
    UploadScheme(
        "INT8 weights and activations, as llm-compressor writes them",
        r"(?:quantized[-_.])?(?:int8[-_])?w8a8(?:[-_](?:int8|dynamic|dynamic[-_]per[-_]token))*",
        _int8,
        kept=_LINEAR_ATTENTION,
    ),
    UploadScheme("FP8, as ModelOpt writes it", r"fp8", _modelopt("FP8"), owners=_NVIDIA, kept=_SMALL_PROJECTIONS),
    UploadScheme("FP8 in blocks of 128", r"fp8", _fp8_blocks, owners=_BLOCK_FP8, kept=_SMALL_PROJECTIONS),
    UploadScheme("FP8 in blocks of 128, as llm-compressor writes it", r"fp8[-_]blocks?", _fp8_compressed_blocks),
    UploadScheme("static FP8, as llm-compressor writes it", r"fp8", _fp8_static, owners=_RED_HAT),
    UploadScheme(
        "dynamic FP8, a scale for each channel, as llm-compressor writes it",
        r"(?:w8a8[-_])?fp8(?:[-_]dynamic)?",
        _fp8_dynamic,
        kept=_LINEAR_ATTENTION,
    ),
    UploadScheme(
        "NVFP4 without attention, as NVIDIA publishes it",
        r"(?:nv)?fp4",
        _modelopt("NVFP4"),
        owners=_NVIDIA,
        kept=("self_attn.", *_LINEAR_ATTENTION),
        experts_alone=True,
    ),
    UploadScheme(
        "NVFP4 weights, as llm-compressor writes them", r"nvfp4a16", _nvfp4_weights_only, kept=_LINEAR_ATTENTION
    ),
    UploadScheme("NVFP4, as llm-compressor writes it", r"nvfp4", _nvfp4, kept=_LINEAR_ATTENTION),
    UploadScheme("unquantised", r"bf16|fp16|bfloat16|(?:qat[-_]q4_0[-_])?unquantized|dequantized", None),
    UploadScheme("the same weights, edited", r"abliterated(?:[-_]v\d+(?:\.\d+)?)?|heretic", None),
)
"""In the order in which a name is tried."""

FAITHFUL_UPLOADERS: Final = frozenset({"unsloth", "nousresearch", "llm-research", "ai-modelscope"})
"""Uploaders (lower case) whose copies under the publisher's own name are unchanged."""
