"""Which facts answer a question: those of its own dry run, else those that somebody applied for everybody."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts import read_report
from vlm_operator.engine_facts.document import EngineFacts, facts_of
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.lifecycle.dry_run.knowledge import about
from vlm_operator.lifecycle.dry_run.subject import DryRunSubject
from vlm_operator.planning.intent import Intent

H100 = find_gpu("H100")
REPORT = Path(__file__).parents[2] / "data" / "dry_runs" / "qwen3-vl-8b-h100-0.32.0.json"
FLAGS = EngineSettings(max_model_len=8192, max_num_seqs=16)
PINNED = Intent(settings=FLAGS, pinned=frozenset({"max_model_len", "max_num_seqs"}), version=EngineVersion(0, 32))


def applied(flags: EngineSettings = FLAGS, **changes: Any) -> EngineFacts:
    """Facts that somebody applied: without namespace and image."""
    made = facts_of("team/new", None, H100, flags, read_report(json.loads(REPORT.read_text())))
    return replace(made, **{"image": None, "namespace": None, **changes})


def subject(flags: EngineSettings = FLAGS) -> DryRunSubject:
    own = replace(applied(flags), image="vllm/vllm-openai:v0.32.0", namespace="team")
    return DryRunSubject(own.subject, H100, {})


@pytest.mark.parametrize(
    ("known", "found"),
    [
        pytest.param(applied(), True, id="these very flags"),
        pytest.param(applied(FLAGS.with_(max_num_batched_tokens=2048)), True, id="another flag that nobody pinned"),
        pytest.param(applied(FLAGS.with_(max_num_seqs=8)), False, id="one of the pinned flags"),
        pytest.param(applied(FLAGS.with_(max_model_len=4096)), False, id="the other one"),
        pytest.param(applied(FLAGS.with_(max_model_len=4096, max_num_seqs=8)), False, id="both"),
        pytest.param(applied(FLAGS.with_(tensor_parallel_size=2)), False, id="another number of ranks"),
        pytest.param(applied(FLAGS.with_(pipeline_parallel_size=2)), False, id="another number of stages"),
        pytest.param(applied(FLAGS.with_(data_parallel_size=2)), False, id="another number of replicas"),
        pytest.param(applied(gpu_product="NVIDIA-L4"), False, id="another GPU"),
        pytest.param(applied(namespace="other"), False, id="of another namespace"),
        pytest.param(applied(vllm_version="0.31.0"), False, id="another release"),
        pytest.param(applied(vllm_version="0.31.0", image="mine"), True, id="an image, whatever release it holds"),
    ],
)
def test_facts_hold_for_the_pinned_flags_on_as_many_gpus(known: EngineFacts, found: bool) -> None:
    assert (about([known], subject(), PINNED) is known) is found


@pytest.mark.parametrize(
    ("length", "cap", "found"),
    [
        pytest.param(8192, 8192, True, id="as long as the cap"),
        pytest.param(8193, 8192, False, id="longer"),
        pytest.param(None, 8192, True, id="vLLM's own length"),
        pytest.param(8193, None, True, id="no cap"),
    ],
)
def test_facts_of_a_longer_context_than_the_cap_do_not_hold(length: int | None, cap: int | None, found: bool) -> None:
    known = applied(EngineSettings(max_model_len=length))
    asked = Intent(maximum_context=cap, version=EngineVersion(0, 32))
    assert (about([known], subject(EngineSettings()), asked) is known) is found


def test_asked_exactly_only_these_very_flags_hold() -> None:
    others = applied(FLAGS.with_(max_num_batched_tokens=2048))
    assert about([others], subject(), PINNED, exactly=True) is None
    assert about([applied()], subject(), PINNED, exactly=True) == applied()


def test_the_answer_of_its_own_dry_run_comes_first() -> None:
    own = replace(applied(), image="vllm/vllm-openai:v0.32.0", namespace="team")
    assert about([applied(), own], subject(), PINNED) is own
    assert about([], subject(), PINNED) is None
