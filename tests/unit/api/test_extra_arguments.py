"""No spelling of a flag that the plan decides gets into extraArgs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.api.extra_arguments import CEL, REFUSED_FLAGS, refused
from vlm_operator.engine.flags import OWNED_FLAGS, to_arguments
from vlm_operator.engine.settings import EngineSettings, ModalityLimit

EVERYTHING = EngineSettings(
    max_model_len=1,
    gpu_memory_utilization=0.5,
    tensor_parallel_size=2,
    pipeline_parallel_size=2,
    data_parallel_size=2,
    enable_expert_parallel=True,
    kv_cache_dtype="fp8",
    block_size=16,
    kv_cache_memory_bytes=1,
    max_num_seqs=1,
    max_num_batched_tokens=1,
    enforce_eager=True,
    max_cudagraph_capture_size=1,
    async_scheduling=False,
    enable_prefix_caching=False,
    enable_chunked_prefill=False,
    limit_mm_per_prompt=(("image", ModalityLimit(1)),),
    language_model_only=True,
    mm_processor_kwargs="{}",
    media_io_kwargs="{}",
    mm_encoder_tp_mode="data",
)


def test_every_flag_that_a_plan_writes_is_refused() -> None:
    written = [argument for argument in to_arguments(EVERYTHING) if argument.startswith("--")]
    assert len(written) > 15
    assert [flag for flag in written if refused(flag) is None] == []


@given(
    flag=st.sampled_from(OWNED_FLAGS),
    separators=st.lists(st.sampled_from("-_"), min_size=8, max_size=8),
    ending=st.sampled_from(["", "=1", "=a b", ".key=1", "="]),
)
def test_underscores_values_and_keys_do_not_hide_a_flag(flag: str, separators: list[str], ending: str) -> None:
    first, *rest = flag[2:].split("-")
    spelled = "--" + first + "".join(f"{mark}{part}" for mark, part in zip(separators, rest, strict=False))
    assert refused(spelled + ending)


@given(flag=st.sampled_from(REFUSED_FLAGS), length=st.integers(2, 40))
def test_the_beginning_of_a_flag_counts_as_argparse_completes_it(flag: str, length: int) -> None:
    assert refused(flag[:length]) is not None


@pytest.mark.parametrize(
    "argument",
    [
        "--enable-auto-tool-choice",
        "--tool-call-parser=hermes",
        "--model-impl=vllm",
        "--grpc-port=1",
        "--max-num-seqs-of-another-flag",
        "--chat-template=/templates/max-model-len.jinja",
        "--seed",
        "-1",
        "-O3",
        "value",
        "max-model-len",
        '{"max_model_len": 1}',
    ],
)
def test_other_arguments_pass(argument: str) -> None:
    assert refused(argument) is None


def test_the_rule_for_the_api_server_names_every_flag() -> None:
    assert [flag for flag in REFUSED_FLAGS if f"|{flag}" not in CEL] == []
