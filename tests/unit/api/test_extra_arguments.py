"""No spelling of a flag that the plan decides gets into extraArgs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.api.extra_arguments import REFUSED_FLAGS, RULES, holds_value_after_blank, refused
from vlm_operator.engine.flags import OWNED_FLAGS


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


def test_the_rules_for_the_api_server_name_every_flag() -> None:
    assert [flag for flag in REFUSED_FLAGS if f"|{flag}" not in "".join(RULES)] == []


@pytest.mark.parametrize(
    "argument", ["--seed 5", "--max-num-seqs 8", "--seed\t5", "-q fp8", "--override.key {}", "--x "]
)
def test_a_flag_with_its_value_after_a_blank_is_one_item_too_few(argument: str) -> None:
    assert holds_value_after_blank(argument)


@pytest.mark.parametrize(
    "argument",
    ["--seed", "--seed=5", '--override={"a": 1}', "--chat-template=a b", '{"a": 1}', "a value", "-1 2", "- x", "-O3"],
)
def test_a_blank_inside_a_value_is_none_of_a_flag(argument: str) -> None:
    assert not holds_value_after_blank(argument)
