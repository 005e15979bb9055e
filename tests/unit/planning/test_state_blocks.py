"""A hybrid model needs a block of recurrent state for every sequence, or vLLM refuses to capture its graphs."""

from __future__ import annotations

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model


def hybrid() -> ModelFacts:
    return load_model("Qwen/Qwen3.5-27B", offline=True)


def predicted(version: EngineVersion = DEFAULT, **flags: object) -> Plan:
    pinned = {"max_model_len": 8192, "gpu_memory_utilization": 0.9, **flags}
    settings = EngineSettings(**pinned)  # type: ignore[arg-type]
    intent = Intent(settings=settings, pinned=frozenset(pinned), version=version, is_prediction=True)
    return plan(hybrid(), gpu("H100"), intent)


def test_more_sequences_than_state_blocks_do_not_fit_whatever_the_context() -> None:
    found = predicted(max_num_seqs=1024)
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.STATE_BLOCKS_TOO_FEW)
    assert found.container is not None
    assert "1,024" in found.message
    assert f"{found.container.num_blocks:,}" in found.message


def test_the_remedy_is_fewer_sequences_and_it_works() -> None:
    found = predicted(max_num_seqs=1024)
    changes = [dict(remedy.change) for remedy in found.remedies]
    fewer = next(change["max_num_seqs"] for change in changes if "max_num_seqs" in change)
    assert predicted(max_num_seqs=fewer).verdict is Verdict.FITS


def test_left_free_the_number_of_sequences_is_one_that_starts() -> None:
    found = plan(hybrid(), gpu("H100"), Intent(gpus_available=1))
    assert found.verdict is Verdict.FITS
    assert found.container is not None
    assert (found.settings.max_num_seqs or 0) <= found.container.num_blocks


@pytest.mark.parametrize("minor", [17, 19, 20, 33])
def test_graphs_need_a_block_for_every_sequence_in_releases_that_do_not_say_so_as_well(minor: int) -> None:
    found = predicted(EngineVersion(0, minor), max_num_seqs=1024)
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.STATE_BLOCKS_TOO_FEW)


def test_without_graphs_sequences_wait_for_a_block() -> None:
    found = predicted(EngineVersion(0, 32), max_num_seqs=1024, enforce_eager=True)
    assert found.reason is not Reason.STATE_BLOCKS_TOO_FEW
