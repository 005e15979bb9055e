"""Names of quantised uploads: which base model and scheme they say, and what the tool of that scheme writes."""

from __future__ import annotations

import pytest

from vlm_operator.model.upload_schemes import SCHEMES, named_uploads
from vlm_operator.model.weights import read_quantization


@pytest.mark.parametrize(
    ("name", "base", "words"),
    [
        ("unsloth/gemma-3-27b-it-bnb-4bit", "gemma-3-27b-it", "bitsandbytes NF4, as unsloth"),
        ("unsloth/gemma-3-27b-it-unsloth-bnb-4bit", "gemma-3-27b-it", "bitsandbytes NF4, unsloth's dynamic"),
        ("RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-dynamic", "Qwen2.5-VL-7B-Instruct", "dynamic FP8"),
        ("nm-testing/Qwen2.5-VL-7B-Instruct-FP8-Dynamic", "Qwen2.5-VL-7B-Instruct", "dynamic FP8"),
        ("RedHatAI/gemma-3-27b-it-quantized.w4a16", "gemma-3-27b-it", "integer weights"),
        ("RedHatAI/gemma-3-27b-it-quantized.w8a8", "gemma-3-27b-it", "INT8 weights and activations"),
        ("nm-testing/Qwen2.5-VL-7B-Instruct-W4A16-G128", "Qwen2.5-VL-7B-Instruct", "integer weights"),
        ("RedHatAI/Qwen3-8B-FP8-block", "Qwen3-8B", "FP8 in blocks of 128, as llm-compressor"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8", "Llama-3.3-70B-Instruct", "static FP8"),
        ("Qwen/Qwen3-VL-8B-Instruct-FP8", "Qwen3-VL-8B-Instruct", "FP8 in blocks of 128"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "Llama-3.1-8B-Instruct", "FP8, as ModelOpt"),
        ("nvidia/Qwen3-8B-NVFP4", "Qwen3-8B", "NVFP4 without attention"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "Llama-3.3-70B-Instruct", "NVFP4 without attention"),
        ("RedHatAI/Qwen3-VL-8B-Instruct-NVFP4", "Qwen3-VL-8B-Instruct", "NVFP4, as llm-compressor"),
        ("RedHatAI/Qwen3-8B-NVFP4A16", "Qwen3-8B", "NVFP4 weights"),
        ("cyankiwi/Qwen3-VL-30B-A3B-Instruct-AWQ-4bit", "Qwen3-VL-30B-A3B-Instruct", "AWQ in compressed-tensors'"),
        ("QuantTrio/GLM-4.5V-AWQ", "GLM-4.5V", "AWQ, as AutoAWQ"),
        ("gaunernst/gemma-3-27b-it-int4-awq", "gemma-3-27b-it", "AWQ, as AutoAWQ"),
        ("someone/Qwen3-8B-AWQ-INT4", "Qwen3-8B", "AWQ, as AutoAWQ"),
        ("Qwen/Qwen3-8B-GPTQ-Int4", "Qwen3-8B", "GPTQ"),
        ("ISTA-DASLab/gemma-3-27b-it-GPTQ-4b-128g", "gemma-3-27b-it", "GPTQ"),
        ("Intel/Qwen3-VL-8B-Instruct-int4-AutoRound", "Qwen3-VL-8B-Instruct", "AutoRound"),
        ("unsloth/gpt-oss-20b-BF16", "gpt-oss-20b", "unquantised"),
        (
            "huihui-ai/Huihui-Qwen3-VL-8B-Instruct-abliterated",
            "Huihui-Qwen3-VL-8B-Instruct",
            "the same weights, edited",
        ),
    ],
)
def test_a_name_says_base_and_scheme(name: str, base: str, words: str) -> None:
    found = next(named_uploads(name))
    assert found.base == base
    assert found.scheme.words.startswith(words)


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-VL-8B-Instruct",
        "google/gemma-3-27b-it",
        "mlx-community/gemma-3-27b-it-4bit",
        "unsloth/gemma-3-27b-it-GGUF",
        "AWQ",
        "owner/-AWQ",
        "owner/awq",
    ],
)
def test_other_names_say_no_scheme(name: str) -> None:
    assert not [found for found in named_uploads(name) if found.base]


@pytest.mark.parametrize(
    ("name", "bits", "group"),
    [
        ("o/Qwen3-8B-GPTQ-Int4", 4, 128),
        ("o/Qwen3-8B-GPTQ-Int8", 8, 128),
        ("o/Qwen3-4B-AWQ", 4, 128),
        ("o/Qwen3-8B-gptq-4bit-64g", 4, 64),
        ("o/Qwen3-8B-8bit-GPTQ", 8, 128),
        ("o/Qwen3-8B-w4a16-g32", 4, 32),
        ("o/Qwen3-8B-quantized.w8a16", 8, -1),
        ("cpatonn/Qwen3-8B-AWQ-8bit", 8, 32),
        ("o/Qwen3-8B-int4-AutoRound", 4, 128),
        ("o/Qwen3-8B-bnb-8bit", 8, -1),
    ],
)
def test_bits_and_groups_are_those_of_the_suffix_and_not_of_the_models_size(name: str, bits: int, group: int) -> None:
    found = next(upload for upload in named_uploads(name) if upload.base.lower() in {"qwen3-8b", "qwen3-4b"})
    config = {"architectures": ["Qwen3ForCausalLM"], "quantization_config": found.quantization_config}
    quantization = read_quantization(config)
    assert quantization is not None
    assert (quantization.weight_bits, quantization.group_size) == (bits, group)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.words)
def test_what_a_scheme_writes_is_what_the_reader_reads(scheme) -> None:  # type: ignore[no-untyped-def]
    config = scheme.config({}) if scheme.config else None
    if config is not None:
        assert read_quantization({"architectures": ["Qwen3ForCausalLM"], "quantization_config": config}) is not None
