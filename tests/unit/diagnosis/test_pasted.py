"""Logs as people paste them: cut, wrapped, quoted, inside an issue. What is left of a sentence still names the failure."""

# ruff: noqa: E501 - log lines are quoted as they are printed

from __future__ import annotations

import html
import json
import textwrap

import pytest

from vlm_operator.diagnosis import Outcome, diagnose

TOO_SMALL = (
    "ValueError: To serve at least one request with the model's max seq len (65536), (10.50 GiB KV cache is needed, which "
    "is larger than the available KV cache memory (4.25 GiB). Based on the available memory, the estimated maximum model "
    "length is 26512. Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
)
NO_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of "
    "which 448.00 MiB is free. Including non-PyTorch memory, this process has 77.90 GiB memory in use. Of the allocated "
    "memory 75.00 GiB is allocated by PyTorch, and 18.97 MiB is reserved by PyTorch but unallocated. If reserved but "
    "unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)
NO_FREE = (
    "ValueError: Free memory on device cuda:0 (70.41/79.15 GiB) on startup is less than desired GPU memory utilization "
    "(0.92, 72.82 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
)
PROMPT = (
    "ValueError: The decoder prompt (length 9312) is longer than the maximum model length of 8192. Make sure that "
    "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens."
)
BLOCKS = "ValueError: Weight input_size_per_partition = 192 is not divisible by weight quantization block_k = 128."
SENTENCES = [
    pytest.param(TOO_SMALL, "KVCacheTooSmall", id="KV cache too small"),
    pytest.param(NO_MEMORY, "OutOfMemory", id="out of memory"),
    pytest.param(NO_FREE, "FreeMemoryTooLow", id="free memory"),
    pytest.param(PROMPT, "PromptTooLong", id="prompt"),
    pytest.param(BLOCKS, "TensorParallelNotDivisible", id="blocks"),
]


def reason(log: str) -> str | None:
    failure = diagnose(log).failure
    return failure and failure.reason


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
@pytest.mark.parametrize(
    "form", ["hard-wrapped", "filled", "quoted", "quoted and filled", "bulleted", "code", "fence", "html", "issue"]
)
def test_a_sentence_is_known_however_a_page_holds_it(sentence: str, expected: str, form: str) -> None:
    filled = textwrap.fill(sentence, 80, break_long_words=False, break_on_hyphens=False)
    log = {
        "hard-wrapped": "\n".join(sentence[start : start + 80] for start in range(0, len(sentence), 80)),
        "filled": filled,
        "quoted": f"> {sentence}",
        "quoted and filled": textwrap.indent(filled, "> "),
        "bulleted": f"- `{sentence}`",
        "code": f"`{sentence}`",
        "fence": f"It says:\n```text\n{sentence}\n```\nWhat can I do?",
        "html": f"<pre>{html.escape(sentence)}</pre>",
        "issue": json.dumps(
            {"title": "It does not start", "body": f"### Describe the bug\r\n\r\n```\r\n{filled}\r\n```\r\n"}
        ),
    }[form]
    assert reason(log + "\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(TOO_SMALL[14:110], "KVCacheTooSmall", id="the beginning, cut on both sides"),
        pytest.param(TOO_SMALL[100:190], "KVCacheTooSmall", id="the middle"),
        pytest.param(TOO_SMALL[-75:], "KVCacheTooSmall", id="the last line of a wrapped sentence"),
        pytest.param(TOO_SMALL[:60], "KVCacheTooSmall", id="the first words"),
        pytest.param(NO_MEMORY[120:260], "OutOfMemory", id="the allocator's figures"),
        pytest.param(NO_MEMORY[-100:], "OutOfMemory", id="the allocator's advice"),
        pytest.param(NO_FREE[-75:], "FreeMemoryTooLow", id="the advice on free memory"),
        pytest.param(PROMPT[-85:], "PromptTooLong", id="the advice on a prompt"),
        pytest.param(BLOCKS[30:85], "TensorParallelNotDivisible", id="a quantisation block"),
        pytest.param("CUDA error: operation not", None, id="the beginning of several sentences"),
        pytest.param("is not supported for", None, id="too few words"),
        pytest.param("I raised the memory, and the model does not start any more.", None, id="somebody's own words"),
    ],
)  # fmt: skip
def test_a_piece_of_a_sentence_names_its_failure_if_no_other_has_it(text: str, expected: str | None) -> None:
    assert reason(text + "\n") == expected


def test_a_figure_at_the_edge_of_a_piece_is_not_told() -> None:
    failure = diagnose(
        "seq len (65536), (10.50 GiB KV cache is needed, which is larger than the available KV cache memory (4.2\n"
    ).failure
    assert failure is not None
    assert failure.numbers == {"max_model_len": 65536, "needed_gib": 10.5, "unit": "GiB"}


def test_a_piece_does_not_stand_against_a_whole_exception_elsewhere() -> None:
    log = 'the available KV cache memory\nsomething else\nTraceback (most recent call last):\n  File "a.py", line 1, in f\nOddError: nobody names this\n'
    failure = diagnose("which is larger than " + log).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("Unknown", "OddError: nobody names this")


def test_a_piece_after_which_the_start_went_on_is_no_failure() -> None:
    measured = "(EngineCore pid=2) INFO 11-23 22:03:14 [gpu_worker.py:9] Available KV cache memory: 48.21 GiB\n"
    assert reason(NO_FREE[-75:] + "\n") == "FreeMemoryTooLow"
    assert diagnose(NO_FREE[-75:] + "\n" + measured).outcome is Outcome.INCOMPLETE
