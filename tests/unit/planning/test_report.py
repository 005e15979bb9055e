"""A plan as JSON: what scripts read is what the plan says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.flags import shown_flags
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import Platform
from vlm_operator.gpu.platform import on_platform
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.intent import Goal, Images, Intent, Workload
from vlm_operator.planning.plan import Move, Plan
from vlm_operator.planning.report import move_to_json, plan_to_json
from vlm_operator.units import GIB

FOUR_PHOTOS = Workload(prompt_tokens=1000, output_tokens=500, images=Images(4, 1920, 1080))


@pytest.fixture(scope="module")
def served() -> Plan:
    return plan(qwen3_vl(), gpu("H100"), Intent(goal=Goal.SINGLE_USER, workload=FOUR_PHOTOS, gpu_count=1))


@pytest.fixture(scope="module")
def refused() -> Plan:
    flags = EngineSettings(max_model_len=131072)
    return plan(qwen3_vl(), gpu("RTX-4090"), Intent(settings=flags, pinned=frozenset({"max_model_len"}), gpu_count=1))


def test_model_gpu_release_and_goal_are_named(served: Plan) -> None:
    found = plan_to_json(served)
    assert found["model"]["id"] == "example/qwen3-vl-8b"
    assert found["model"]["architecture"] == "Qwen3VLForConditionalGeneration"
    assert found["model"]["modalities"] == ["image", "video"]
    card = gpu("H100")
    assert found["gpu"] == {"product": card.label, "count": 1, "totalBytes": card.total_bytes}
    assert (found["vllmVersion"], found["goal"]) == (str(served.version), "SingleUser")
    assert (found["verdict"], found["reason"]) == ("Fits", "Fits")
    assert found["message"] == served.message


def test_where_no_goal_is_named_it_is_throughput() -> None:
    assert plan_to_json(plan(qwen3_vl(), gpu("H100"), Intent(gpu_count=1)))["goal"] == "Throughput"


def test_memory_is_the_budgets_in_bytes(served: Plan) -> None:
    found, budget = plan_to_json(served)["budget"], served.budget
    assert budget is not None
    assert found == {
        "totalBytes": budget.total_bytes,
        "requestedBytes": budget.requested_bytes,
        "weightsBytes": budget.weights_bytes,
        "activationPeakBytes": budget.activation_peak_bytes,
        "nonTorchBytes": budget.non_torch_bytes,
        "cudaGraphBytes": budget.cuda_graph_bytes,
        "kvCacheBytes": budget.kv_cache_bytes,
        "kvCacheLowBytes": budget.kv_cache_low_bytes,
        "kvCacheHighBytes": budget.kv_cache_high_bytes,
        "kvCacheWarmBytes": budget.kv_cache_bytes + budget.compile_bytes,
        "compileBytes": budget.compile_bytes,
        "freeAtStartBytes": budget.free_at_start_bytes,
        "moments": found["moments"],
        "regime": found["regime"],
    }


def test_a_plan_says_on_which_start_ups_its_bounds_rest(served: Plan) -> None:
    assert served.budget is not None
    regime = served.budget.regime
    assert regime is not None
    assert plan_to_json(served)["budget"]["regime"] == {
        "name": regime.name,
        "startups": regime.start_ups,
        "sources": regime.sources,
        "halfWidthBytes": regime.half_width_bytes,
        "seen": True,
    }
    told = [sentence for sentence in served.explanation if sentence.startswith("Bounds: ")]
    assert len(told) == 1
    assert f"nine in ten of {regime.start_ups} published start-ups ({regime.sources} sources" in told[0]
    assert f"within {regime.half_width:.2f} GiB ({regime.name})" in told[0]


def test_a_kind_of_start_up_that_nobody_published_is_said_to_be_one() -> None:
    made = plan(qwen3_vl(), on_platform(gpu("RTX-5090"), Platform.WSL2), Intent(gpu_count=1))
    assert plan_to_json(made)["budget"]["regime"]["seen"] is False
    assert "no start-up of this kind has been seen" in "\n".join(made.explanation)


def test_a_given_size_of_the_kv_cache_rests_on_no_start_ups() -> None:
    flags = EngineSettings(kv_cache_memory_bytes=8 * GIB)
    made = plan(qwen3_vl(), gpu("H100"), Intent(settings=flags, pinned=frozenset({"kv_cache_memory_bytes"})))
    assert "regime" not in plan_to_json(made)["budget"]
    assert not [sentence for sentence in made.explanation if sentence.startswith("Bounds: ")]


def test_the_start_up_peak_is_the_largest_of_its_moments(served: Plan) -> None:
    budget = plan_to_json(served)["budget"]
    moments = budget["moments"]
    assert set(moments) == {"encoderBytes", "textBytes", "samplerBytes", "keptBytes"}
    assert budget["activationPeakBytes"] == max(moments[name] for name in moments if name != "keptBytes")
    assert moments["keptBytes"] < moments["textBytes"]


def test_a_request_is_told_by_its_parts_and_the_cup_holds_it(served: Plan) -> None:
    found = plan_to_json(served)
    parts = found["workload"]
    assert (parts["promptTokens"], parts["outputTokens"], parts["videoTokens"]) == (1000, 500, 0)
    assert parts["imageTokens"] == 4 * (60 * 34 + 2)
    assert parts["totalTokens"] == 1500 + parts["imageTokens"] <= found["cup"]["maxModelLen"]
    assert found["cup"]["maxModelLen"] == served.settings.max_model_len
    assert found["cup"]["neededBytes"] <= found["budget"]["kvCacheLowBytes"]
    container = served.container
    assert container is not None
    assert found["container"] == {
        "numBlocks": container.num_blocks,
        "capacityTokens": container.capacity_tokens,
        "maxModelLen": container.max_model_len,
        "concurrency": container.concurrency,
    }


def test_the_command_is_what_a_person_would_type(served: Plan) -> None:
    command = plan_to_json(served)["command"]
    assert command[:3] == ["vllm", "serve", "example/qwen3-vl-8b"]
    assert command[command.index("--max-model-len") + 1] == str(served.settings.max_model_len)


def test_flags_have_vllms_names_and_json_valued_ones_are_objects() -> None:
    flags = shown_flags(
        EngineSettings(
            max_model_len=8192,
            limit_mm_per_prompt=(("image", ModalityLimit(4)), ("video", ModalityLimit(1, num_frames=8))),
            mm_processor_kwargs='{"max_pixels":1000}',
            enforce_eager=True,
        )
    )
    assert flags["limit_mm_per_prompt"] == {"image": 4, "video": {"count": 1, "num_frames": 8}}
    assert (flags["mm_processor_kwargs"], flags["media_io_kwargs"]) == ({"max_pixels": 1000}, {})
    assert (flags["max_model_len"], flags["enforce_eager"]) == (8192, True)
    assert shown_flags(EngineSettings())["limit_mm_per_prompt"] is None


def test_a_refusal_has_its_pinned_flags_its_hint_and_remedies(refused: Plan) -> None:
    found = plan_to_json(refused)
    assert (found["verdict"], found["pinned"]) == ("DoesNotFit", ["max_model_len"])
    assert found["hint"] == refused.hint
    assert [remedy["text"] for remedy in found["remedies"]] == [remedy.text for remedy in refused.remedies]
    shorter = next(remedy["change"] for remedy in found["remedies"] if "max_model_len" in remedy["change"])
    assert 0 < shorter["max_model_len"] < 131072


def test_moves_of_the_ladder_tell_both_values_and_what_they_gain(refused: Plan) -> None:
    found = plan_to_json(refused)["ladder"]
    assert [(each["gainBytes"], each["applied"], each["mild"]) for each in found] == [
        (move.gain_bytes, move.applied, move.mild) for move in refused.ladder
    ]
    for each, move in zip(found, refused.ladder, strict=True):
        assert list(each["change"]) == [flag for flag, _, _ in move.change]


def test_without_a_gpu_there_is_none_to_name() -> None:
    found = plan_to_json(cpu_plan(qwen3_vl(), Intent(cpu_kv_cache_bytes=4 << 30)))
    assert found["gpu"] is None
    assert found["budget"]["kvCacheBytes"] == 4 << 30


def test_what_is_not_known_has_neither_budget_nor_cup() -> None:
    intent = replace(Intent(gpu_count=1), version=EngineVersion(0, 99))
    found = plan_to_json(plan(qwen3_vl(), gpu("H100"), intent))
    assert found["verdict"] == "Unknown"
    assert (found["budget"], found["cup"], found["container"]) == (None, None, None)


def test_what_vllm_refuses_is_told_with_flag_and_source() -> None:
    flags = EngineSettings(dtype="bfloat16")
    made = plan(qwen3_vl(), gpu("T4"), Intent(settings=flags, pinned=frozenset({"dtype"}), gpu_count=2))
    found = plan_to_json(made)
    assert (found["verdict"], found["reason"]) == ("Unsupported", "DtypeUnsupported")
    (first, *_) = found["refusals"]
    (cause, *_) = made.infeasible
    assert first == {"reason": "DtypeUnsupported", "flag": cause.flag, "message": cause.message, "source": cause.source}
    assert (found["message"], found["hint"]) == (cause.message, cause.remedy)
    assert (found["budget"], found["gpu"]["count"]) == (None, 2)


def test_a_reserve_and_several_nodes_are_told_of_the_gpus() -> None:
    reserved = plan_to_json(plan(qwen3_vl(), gpu("H100"), Intent(gpu_count=1, reserve_bytes=4 * GIB)))["gpu"]
    assert reserved["reserveBytes"] == 4 * GIB
    spread = plan_to_json(plan(qwen3_vl(), gpu("H100"), Intent(nodes=2, gpu_count=4)))["gpu"]
    assert (spread["count"], spread["nodes"], spread["perNode"]) == (4, 2, 2)
    assert "reserveBytes" not in spread


def test_other_numbers_of_gpus_are_told_with_their_verdicts() -> None:
    made = plan(qwen3_vl(), gpu("T4"), Intent(gpu_count=2))
    assert made.fits
    (one,) = plan_to_json(made)["alternatives"]
    assert (one["gpuCount"], one["verdict"]) == (1, "DoesNotFit")
    assert one["message"].startswith("1 GPU: does not fit: ")
    assert one["reason"] == str(plan(qwen3_vl(), gpu("T4"), Intent(gpu_count=1)).reason)


def test_a_move_tells_limits_as_objects() -> None:
    few = (("image", ModalityLimit(4)), ("video", ModalityLimit(0)))
    move = Move((("limit_mm_per_prompt", None, few), ("max_num_seqs", 256, 64)), 5 * GIB, "a price", applied=True)
    assert move_to_json(move) == {
        "change": {"limit_mm_per_prompt": [None, {"image": 4, "video": 0}], "max_num_seqs": [256, 64]},
        "gainBytes": 5 * GIB,
        "cost": "a price",
        "applied": True,
        "mild": False,
    }
