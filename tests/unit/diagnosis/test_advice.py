"""What to change: the exact next value, and the arithmetic behind it."""

# ruff: noqa: E501 - log lines are quoted as they are printed

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered_wordings import render

from vlm_operator.diagnosis import Advice, diagnose
from vlm_operator.diagnosis.advice.start import utilization_limit
from vlm_operator.engine.log_wordings import KINDS, FailureKind

ENGINE = "(EngineCore pid=2) INFO 11-23 22:03:02 [core.py:133] Initializing a V1 LLM engine (v{}) with config: x\n"
FLAGS = "(APIServer pid=1) INFO 11-23 22:02:53 [api_utils.py:286] non-default args: {}\n"
BUDGET = (
    "INFO 08-16 03:38:41 [gpu_worker.py:918] Free memory on device (30.9/31.4 GiB) on startup. Desired GPU memory "
    "utilization is ({}, 28.88 GiB). Actual usage is 18.19 GiB for weight, 1.78 GiB for peak activation\n"
)


NAMES_NO_FLAG = {"TensorParallelNotDivisible", "ConfigurationRejected", "UnknownArgument"}
"""Flags can mend these, but the sentence alone need not tell which."""


def too_small(length: int, needed: str, available: str, estimate: int | None = None) -> str:
    sentence = (
        f"ValueError: To serve at least one request with the models's max seq len ({length}), ({needed} GiB KV cache is "
        f"needed, which is larger than the available KV cache memory ({available} GiB). "
    )
    if estimate is not None:
        sentence += f"Based on the available memory, the estimated maximum model length is {estimate}. "
    return sentence + "Try increasing `gpu_memory_utilization`\n"


def advised(log: str) -> dict[str | None, Advice]:
    """Advice by flag."""
    return {each.flag: each for each in diagnose(log).advice}


@pytest.mark.parametrize(
    ("version", "flags", "estimate", "target"),
    [
        pytest.param("0.32.0", {}, 32752, 32752, id="the estimate leaves out the null block from 0.29 on"),
        pytest.param("0.32.0", {}, 32759, 32752, id="whole blocks only"),
        pytest.param("0.28.0", {}, 32752, 32736, id="one block less before 0.29"),
        pytest.param("0.12.0", {"block_size": 64}, 53040, 52928, id="blocks as they were set"),
        pytest.param(
            "0.1.dev1+g4d2a68d64", {}, 32752, 32736, id="a development build tells no version: one block less"
        ),
        pytest.param(None, {}, 32752, 32736, id="no version: one block less"),
        pytest.param("0.28.0", {}, 16, None, id="less than a block is left: no length helps"),
    ],
)
def test_the_next_length_is_the_estimate_in_whole_blocks(
    version: str | None, flags: dict[str, Any], estimate: int, target: int | None
) -> None:
    log = FLAGS.format(flags) + (ENGINE.format(version) if version else "") + too_small(65536, "4.0", "2.0", estimate)
    advice = advised(log).get("--max-model-len")
    assert (advice and advice.to) == target
    if advice is not None:
        assert (advice.from_, advice.exact) == (65536, True)


def test_without_an_estimate_the_length_is_a_bound_in_proportion_and_says_so() -> None:
    advice = advised(too_small(32768, "2.00", "0.78"))["--max-model-len"]
    assert (advice.to, advice.exact) == (12752, False)
    assert "upper bound" in advice.why


@given(st.integers(1, 2**20), st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 2**20))
def test_no_length_is_advised_above_the_estimate(length: int, needed: int, available: int, estimate: int) -> None:
    log = too_small(length, f"{needed / 100:.2f}", f"{available / 100:.2f}", estimate)
    advice = advised(log).get("--max-model-len")
    assert advice is None or 0 < advice.to < estimate
    assert advice is None or advice.to % 16 == 0


@pytest.mark.parametrize(
    ("utilization", "needed", "available", "target"),
    [
        pytest.param("0.85", "4.00", "2.00", 0.92, id="0.85 + 2.01 / 31.4"),
        pytest.param("0.92", "4.00", "2.00", 0.99, id="may not be free"),
        pytest.param("0.85", "9.00", "2.00", None, id="more than is free"),
    ],
)
def test_utilisation_rises_by_what_is_missing_within_what_is_free(
    utilization: str, needed: str, available: str, target: float | None
) -> None:
    log = BUDGET.format(utilization) + too_small(65536, needed, available, 4096)
    advice = advised(log).get("--gpu-memory-utilization")
    limit = utilization_limit(30.9, 31.4)
    assert limit == 0.98
    assert (advice and advice.to) == (target if target is None or target <= limit else None)


@given(st.floats(0.2, 200), st.floats(0.1, 1.0))
def test_the_limit_of_utilisation_always_passes_vllms_check(total: float, share: float) -> None:
    free = total * share
    limit = utilization_limit(free, total)
    assert 0 <= limit <= 1
    assert limit == 0 or total * limit <= free


@pytest.mark.parametrize(
    ("sentence", "flag", "before", "after"),
    [
        ("Free memory on device cuda:0 (70.41/79.15 GiB) on startup is less than desired GPU memory utilization (0.92, "
         "72.82 GiB).", "--gpu-memory-utilization", 0.92, 0.88),
        ("max_num_seqs (1024) exceeds available Mamba cache blocks (361).", "--max-num-seqs", 1024, 361),
        ("User-specified max_model_len (65536) is greater than the derived max_model_len (max_position_embeddings=8192.0 "
         "or model_max_length=None in model's config.json).", "--max-model-len", 65536, 8192),
        ("max_num_batched_tokens (2048) is smaller than max_model_len (32768).", "--max-num-batched-tokens", 2048, 32768),
        ("max_num_batched_tokens (128) must be greater than or equal to max_num_seqs (256).", "--max-num-seqs", 256, 128),
        ("Chunked MM input disabled but max_tokens_per_mm_item (16384) is larger than max_num_batched_tokens (8192).",
         "--max-num-batched-tokens", 8192, 16384),
        ("In Mamba cache align mode, block_size (2096) must be <= max_num_batched_tokens (2048).",
         "--max-num-batched-tokens", 2048, 2096),
        ("Total number of attention heads (28) must be divisible by tensor parallel size (8).",
         "--tensor-parallel-size", 8, 7),
        ("World size (4) is larger than the number of available GPUs (3) in this node.", "--tensor-parallel-size", 4, 2),
        ("You set image=4 (or defaulted to 1) in `--limit-mm-per-prompt`, but this model only supports at most 1 image "
         "items.", "--limit-mm-per-prompt", {"image": 4}, {"image": 1}),
        ("torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
         "--dtype", "bfloat16", "float16"),
        ("Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute "
         "capability 7.5. You can", "--dtype", "bfloat16", "half"),
        ("The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache "
         "(41376). Try increasing `gpu_memory_utilization`", "--max-model-len", 131072, 41376),
        ("Timed out waiting for engine core processes to start. This is often caused by slow weight loading. Waited 600s "
         "(configured", "VLLM_ENGINE_READY_TIMEOUT_S", 600, 1200),
        ("The decoder prompt contains a(n) video item with 24000 embedding tokens, which exceeds the pre-allocated "
         "encoder cache size 16384. Please", "--max-num-batched-tokens", 16384, 24000),
    ],
)  # fmt: skip
def test_the_next_value_follows_from_the_sentence(sentence: str, flag: str, before: Any, after: Any) -> None:
    advice = advised(f"ValueError: {sentence}\n")[flag]
    assert (advice.from_, advice.to) == (before, after)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("image=5", {"image": 5}, id="as releases before 0.10 took it"),
        pytest.param("image=5,video=0", {"image": 5, "video": 0}, id="two modalities"),
        pytest.param("{image: 5}", {"image": 5}, id="quotes that a shell has eaten"),
        pytest.param("{'image': 5}", {"image": 5}, id="Python's notation"),
        pytest.param("'{\"image\": 5}'", {"image": 5}, id="quotes that a shell has kept"),
        pytest.param("{\u201cimage\u201d: 5}", {"image": 5}, id="typographic quotes"),
        pytest.param("five", None, id="not to be understood"),
    ],
)
def test_a_flag_that_takes_json_is_shown_as_json(written: str, meant: dict[str, Any] | None) -> None:
    sentence = f"argument --limit-mm-per-prompt: Value {written} cannot be converted to <function loads at 0x7f4b>."
    advice = advised(f"vllm serve: error: {sentence}\n")["--limit-mm-per-prompt"]
    assert (advice.from_, advice.to) == (written, meant)


@pytest.mark.parametrize(
    ("log", "longer"),
    [
        pytest.param("", [("--max-model-len", None)], id="the model's maximum is not in the log"),
        pytest.param(FLAGS.format({"max_model_len": 8192}), [("--max-model-len", None)], id="a context that was set"),
        pytest.param(FLAGS.format({"port": 1}), [], id="the context is the model's maximum"),
        pytest.param(
            FLAGS.format({"max_model_len": -1})
            + "INFO 11-23 22:02:53 [a.py:1] Auto-fit max_model_len: reduced from 131072 to 8192 to fit in available\n",
            [("--max-model-len", 9328)], id="a context that was fitted to memory",
        ),
    ],
)  # fmt: skip
def test_a_prompt_that_is_too_long_is_shrunk_and_never_told_a_context_above_the_models(
    log: str, longer: list[tuple[str, int | None]]
) -> None:
    log += "ValueError: The decoder prompt (length 9312) is longer than the maximum model length of 8192. Make sure\n"
    advice = diagnose(log).advice
    assert advice[0].flag is None
    assert "shrink" in advice[0].why
    assert [(each.flag, each.to) for each in advice[1:]] == longer


EXPERTS = (
    "ValueError: The output_size of gate's and up's weight = {} is not divisible by weight quantization block_n = 128."
)
LINEAR = "ValueError: Weight input_size_per_partition = {} is not divisible by weight quantization block_k = 128."


@pytest.mark.parametrize(
    ("sentence", "ranks", "expected"),
    [
        pytest.param(EXPERTS.format(192), 8, [("--enable-expert-parallel", True), ("--tensor-parallel-size", 4)],
                     id="experts cut through a block: 384 is 3 x 128"),
        pytest.param(LINEAR.format(64), 8, [("--tensor-parallel-size", 4)], id="a linear layer: 128 on 4 ranks"),
        pytest.param(LINEAR.format(32), 8, [("--tensor-parallel-size", 2)], id="a linear layer: 128 on 2 ranks"),
        pytest.param("RuntimeError: size_n = 96 is not divisible by tile_n_size = 64", 4, [("--tensor-parallel-size", 2)],
                     id="Marlin's tile"),
        pytest.param("AssertionError: 12 is not divisible by 8", 8,
                     [("--tensor-parallel-size", 4), ("--mm-encoder-tp-mode", "data"), ("--enable-expert-parallel", True)],
                     id="heads by ranks"),
        pytest.param(LINEAR.format(64), None, [("--tensor-parallel-size", None)], id="ranks are not in the log"),
    ],
)  # fmt: skip
def test_ranks_are_lowered_until_each_share_is_even(
    sentence: str, ranks: int | None, expected: list[tuple[str, Any]]
) -> None:
    log = (FLAGS.format({"tensor_parallel_size": ranks}) if ranks else "") + sentence + "\n"
    answer = diagnose(log)
    assert answer.failure is not None
    assert answer.failure.reason == "TensorParallelNotDivisible"
    assert [(each.flag, each.to) for each in answer.advice] == expected


@pytest.mark.parametrize(
    ("lines", "reason", "word"),
    [
        pytest.param(["RuntimeError: Assertion error (/src/jit_kernels/utils/layout.hpp:76): Unknown recipe"],
                     "KernelUnsupported", "VLLM_USE_DEEP_GEMM", id="DeepGEMM has no kernel"),
        pytest.param(["RuntimeError: DeepGEMM backend is not available or outdated. Please install or update the `deep_gemm`"
                      " to a newer version"], "DependencyMissing", "VLLM_USE_DEEP_GEMM", id="DeepGEMM is missing"),
        pytest.param(["triton.runtime.errors.OutOfResources: out of resource: shared memory,",
                      "Required: 98304, Hardware limit: 65536.", "Reducing block sizes or `num_stages` may help."],
                     "KernelUnsupported", "--attention-backend", id="shared memory, over lines"),
        pytest.param(["ValueError: value too large"], "ItemAboveProcessorCache", "--mm-processor-cache-gb",
                     id="an item that the processor's cache does not hold"),
        pytest.param(["ValueError: Currently, MiniCPMV only supports versions 2.0, 2.5, 2.6. Got version: (4, 5)"],
                     "ArchitectureUnsupported", "newer vLLM", id="a version of a model"),
        pytest.param(['  File "vllm/v1/core/kv_cache_utils.py", line 862, in f', "    assert len(page_sizes) == 1",
                      "AssertionError"], "KVLayoutUnsupported", "--block-size", id="pages of several sizes"),
        pytest.param(["torch.AcceleratorError: CUDA error: OS call failed or operation not supported on this OS"],
                     "GPUError", "WSL2", id="pinned memory under WSL2"),
        pytest.param(["RuntimeError: CUDA driver error: device not ready"], "GPUError", "WSL2", id="a driver's state"),
        pytest.param(["/bin/sh: 1: nvcc: not found"], "CompilationFailed", "nvcc", id="FlashInfer's toolkit"),
        pytest.param(["FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'"],
                     "CompilationFailed", "nvcc", id="FlashInfer's toolkit, by path"),
        pytest.param(["NotImplementedError: FP8 KV cache on CPU requires x86 with AVX-512 or AMX."],
                     "AttentionBackendUnsupported", "--kv-cache-dtype", id="FP8 KV cache on a CPU without AVX-512"),
    ],
)  # fmt: skip
def test_what_stops_a_start_has_a_reason_and_the_remedy_that_fits_it(lines: list[str], reason: str, word: str) -> None:
    answer = diagnose("\n".join(lines) + "\n")
    assert answer.failure is not None
    assert answer.failure.reason == reason
    assert any(word in f"{each.flag} {each.why}" for each in answer.advice)


@pytest.mark.parametrize(
    ("stage", "function", "first"),
    [
        ("load", "load_model", ("--tensor-parallel-size", 2, 4)),
        ("profile", "profile_run", ("--max-num-batched-tokens", 8192, 4096)),
        ("graph", "capture_model", ("--gpu-memory-utilization", 0.9, 0.86)),
        ("kv_alloc", "initialize_kv_cache", ("--gpu-memory-utilization", 0.9, 0.86)),
        ("sampler", "_dummy_sampler_run", ("--max-num-seqs", 256, 128)),
    ],
)
def test_an_out_of_memory_is_mended_where_its_stage_takes_memory(
    stage: str, function: str, first: tuple[str, Any, Any]
) -> None:
    flags = {
        "tensor_parallel_size": 2,
        "max_num_batched_tokens": 8192,
        "max_num_seqs": 256,
        "gpu_memory_utilization": 0.9,
    }
    log = FLAGS.format(flags) + (
        f'Traceback (most recent call last):\n  File "site-packages/vllm/x.py", line 1, in {function}\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB "
        "of which 448.00 MiB is free.\n"
    )
    answer = diagnose(log)
    assert answer.failure is not None
    assert answer.failure.stage == stage
    assert (answer.advice[0].flag, answer.advice[0].from_, answer.advice[0].to) == first


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_failure_has_advice_and_only_a_retunable_one_may_be_left_to_flags(kind: FailureKind) -> None:
    answer = diagnose(f"ValueError: {render(kind.wordings[0])[0]}\n")
    assert answer.advice
    assert all(advice.why for advice in answer.advice)
    if kind.retunable:
        assert any(advice.flag for advice in answer.advice) or kind.reason in NAMES_NO_FLAG
