"""A model that only vLLM knows: the longest context that holds the request and fits, every other flag the dry run's."""

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
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.asked_plan import (
    CONTEXTS,
    AskedPlan,
    asked_plan,
    asked_plan_to_json,
    flags_to_ask,
    gpu_count,
    unasked_plan,
)
from vlm_operator.planning.facts_plan import facts_plan
from vlm_operator.planning.intent import Audios, Images, Intent, Videos, Workload

RELEASE = EngineVersion(0, 32)
H100 = find_gpu("H100")
REPORT = Path(__file__).parents[2] / "data" / "dry_runs" / "qwen3-vl-8b-h100-0.32.0.json"
TOKEN_BYTES = 2_359_296 // 16
BLOCK = 2_359_296
FLAGS = EngineSettings(gpu_memory_utilization=0.9, max_model_len=32_768)


def facts(flags: EngineSettings = FLAGS, **changes: Any) -> EngineFacts:
    """What vLLM said of Qwen3-VL-8B, asked for four lengths."""
    document: dict[str, Any] = json.loads(REPORT.read_text())
    document["requests"] = [
        {"maxModelLen": length, "neededBytes": length * TOKEN_BYTES} for length in (4096, 8192, 16_384, 32_768)
    ]
    return facts_of("team/new", None, H100, flags, read_report({**document, **changes}))


def chosen(intent: Intent | None = None, *, card: GPUFacts = H100, found: EngineFacts | None = None) -> AskedPlan:
    return asked_plan(found or facts(), card, intent or Intent(), RELEASE)


def leaving(kv_bytes: int) -> GPUFacts:
    """An H100 with so much memory that the dry run's flags leave this for the KV cache, by the best estimate."""
    found = facts_plan(facts(), H100, RELEASE)
    spent = found.requested_bytes - found.kv_cache_bytes
    return replace(H100, total_bytes=-(-(spent + kv_bytes) * 10 // 9))


def half_width() -> int:
    found = facts_plan(facts(), H100, RELEASE)
    return found.kv_cache_bytes - found.kv_cache_low_bytes


@pytest.mark.parametrize(
    ("kv_bytes", "expected"),
    [
        pytest.param(0, ("DoesNotFit", 4096), id="nothing is left: the least that was asked"),
        pytest.param(4096 * TOKEN_BYTES - 2**20, ("DoesNotFit", 4096), id="less than the shortest"),
        pytest.param(4096 * TOKEN_BYTES + BLOCK + 2**20, ("FitsTight", 4096), id="the shortest, by best estimate"),
        pytest.param(8192 * TOKEN_BYTES + BLOCK + 2**20, ("FitsTight", 8192), id="tight, where none is certain"),
        pytest.param(8192 * TOKEN_BYTES + BLOCK + half_width() + 2**20, ("Fits", 8192), id="certain before longer"),
        pytest.param(40 * 2**30, ("Fits", 32_768), id="never longer than what was profiled"),
    ],
)
def test_the_longest_context_that_is_certain_to_fit_is_chosen(kv_bytes: int, expected: tuple[str, int]) -> None:
    found = chosen(card=leaving(kv_bytes))
    assert (str(found.verdict), found.settings.max_model_len) == expected
    assert found.fits == (expected[0] != "DoesNotFit")
    assert found.found is not None
    assert found.message == found.found.message


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        pytest.param(Intent(minimum_context=8000), 8192, id="floor"),
        pytest.param(Intent(workload=Workload(prompt_tokens=6000, output_tokens=3000)), 16_384, id="text"),
        pytest.param(Intent(workload=Workload(prompt_tokens=6000, output_tokens=2192)), 8192, id="just as long"),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=10, output_tokens=10, images=Images(5))),
            16_384,
            id="images as counted",
        ),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=10, output_tokens=10, images=Images(4), tokens_per_image=1000)),
            4096,
            id="images as stated",
        ),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=10, output_tokens=10, videos=Videos(2), tokens_per_video=3000)),
            8192,
            id="videos as stated",
        ),
    ],
)
def test_no_context_is_shorter_than_the_request(intent: Intent, expected: int) -> None:
    tight = leaving(4096 * TOKEN_BYTES + BLOCK + half_width())
    assert chosen(intent, card=tight).settings.max_model_len == expected


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        pytest.param(Intent(uncounted_flags=("--enable-lora",)), ("FitsTight", "UncountedFlags"), id="not counted"),
        pytest.param(Intent(hf_overrides='{"a":1}'), ("Fits", "Fits"), id="overrides: the dry run had them"),
    ],
)
def test_flags_that_a_dry_run_does_not_see_make_no_certain_plan(intent: Intent, expected: tuple[str, str]) -> None:
    found = chosen(intent, card=leaving(40 * 2**30))
    assert (str(found.verdict), str(found.reason)) == expected
    words = "--enable-lora changes memory in ways that the plan does not count"
    assert (words in found.message) is bool(intent.uncounted_flags)


def test_a_pinned_context_is_judged_alone_and_nothing_shorter_is_asked() -> None:
    pinned = Intent(settings=EngineSettings(max_model_len=32_768), pinned=frozenset({"max_model_len"}), gpu_count=1)
    small = leaving(20_000 * TOKEN_BYTES)
    found = chosen(pinned, card=small)
    assert (str(found.verdict), found.settings.max_model_len) == ("DoesNotFit", 32_768)
    assert found.next_question is None
    assert str(chosen(card=small).verdict) != "DoesNotFit"


@pytest.mark.parametrize(
    ("floor", "served", "expected"),
    [
        pytest.param(None, 32_768, 8192, id="a short context"),
        pytest.param(16_384, 32_768, 16_384, id="the floor, where it is half of what was asked"),
        pytest.param(16_385, 32_768, None, id="a floor near what was asked: no news to be had"),
        pytest.param(None, 16_384, 8192, id="exactly twice as long was asked"),
        pytest.param(None, 8192, None, id="it was asked already"),
    ],
)
def test_where_nothing_fits_beside_the_items_of_a_long_context_a_shorter_one_is_asked(
    floor: int | None, served: int, expected: int | None
) -> None:
    settings = {"max_model_len": served, "max_num_batched_tokens": 8192, "max_num_seqs": 256}
    found = chosen(Intent(minimum_context=floor, gpu_count=1), card=leaving(0), found=facts(settings=settings))
    assert (found.next_question and found.next_question.max_model_len) == expected
    assert found.hint is not None
    assert found.hint.endswith("use more GPUs (gpu.count) or larger ones (gpu.product)")


SHORT = FLAGS.with_(max_model_len=8192)
PINNED = frozenset({"max_model_len"})


def of_heads(flags: EngineSettings = SHORT, heads: int = 32) -> EngineFacts:
    """Facts of a short context, with the config that the dry run read."""
    files = {"config.json": {"text_config": {"num_attention_heads": heads}}}
    served = {"max_model_len": flags.max_model_len, "max_num_batched_tokens": 8192, "max_num_seqs": 256}
    return facts(flags, settings=served, modelFiles=files)


@pytest.mark.parametrize(
    ("found", "intent", "expected"),
    [
        pytest.param(of_heads(), Intent(), (None, 2), id="two, with the first context"),
        pytest.param(of_heads(), Intent(settings=SHORT, pinned=PINNED), (8192, 2), id="two, with the pinned context"),
        pytest.param(of_heads(SHORT.with_(tensor_parallel_size=2)), Intent(), (None, 4), id="four after two"),
        pytest.param(of_heads(heads=20), Intent(gpus_available=8), (None, 2), id="twenty heads over two"),
        pytest.param(of_heads(SHORT.with_(tensor_parallel_size=4), 20), Intent(), None, id="not over eight"),
        pytest.param(of_heads(heads=15), Intent(), None, id="fifteen heads divide by none"),
        pytest.param(facts(SHORT, settings={"max_model_len": 8192}), Intent(), (None, 2), id="heads that nobody read"),
        pytest.param(of_heads(), Intent(gpus_available=1), None, id="a node has one"),
        pytest.param(
            of_heads(SHORT.with_(tensor_parallel_size=2)), Intent(gpus_available=3), None, id="three: not four"
        ),
        pytest.param(of_heads(), Intent(gpu_count=1), None, id="one is asked for"),
        pytest.param(of_heads(SHORT.with_(pipeline_parallel_size=2)), Intent(), None, id="stages are pinned"),
    ],
)
def test_where_no_context_fits_more_gpus_of_a_node_are_asked_about(
    found: EngineFacts, intent: Intent, expected: tuple[int | None, int] | None
) -> None:
    asked = chosen(intent, card=leaving(0), found=found).next_question
    assert (asked and (asked.max_model_len, asked.tensor_parallel_size)) == expected


def test_the_first_number_of_gpus_over_which_the_weights_leave_room_is_asked_about() -> None:
    weights = facts_plan(facts(), H100, RELEASE).weights_bytes
    for times, expected in ((1.1, 2), (1.9, 2), (2.1, 4), (4.1, 8), (8.1, None)):
        small = replace(H100, total_bytes=int(weights / times / 0.9))
        asked = chosen(card=small).next_question
        assert (asked and asked.tensor_parallel_size) == expected, times


def test_lowering_the_floor_is_advised_only_where_it_could_help() -> None:
    floor = Intent(minimum_context=8192)
    assert str(chosen(floor, card=leaving(2**20)).hint).startswith("lower context.minimum")
    assert str(chosen(floor, card=leaving(-(2**20))).hint).startswith("use more GPUs")
    assert str(chosen(card=leaving(2**20)).hint).startswith("use more GPUs")
    assert chosen().hint is None


def test_a_request_longer_than_the_model_serves_does_not_fit() -> None:
    found = chosen(Intent(minimum_context=40_000))
    assert (str(found.verdict), str(found.reason), found.found) == ("DoesNotFit", "ContextAboveModel", None)
    assert "must hold 40,000 tokens" in found.message
    assert "serves at most 32,768" in found.message
    assert found.weights_bytes is None


def test_what_vllm_resolved_is_written_out_and_what_is_pinned_stays() -> None:
    found = chosen().settings
    assert (found.max_num_batched_tokens, found.max_num_seqs, found.gpu_memory_utilization) == (8192, 256, 0.9)
    kept = chosen(found=facts(FLAGS.with_(max_num_seqs=8, max_num_batched_tokens=2048))).settings
    assert (kept.max_num_batched_tokens, kept.max_num_seqs) == (2048, 8)


def test_weights_of_the_model_are_those_of_all_ranks() -> None:
    assert chosen().weights_bytes == 18_053_990_400
    two = chosen(found=facts(FLAGS.with_(tensor_parallel_size=2)))
    assert (two.gpu_count, two.weights_bytes) == (2, 2 * 18_053_990_400)
    assert gpu_count(EngineSettings(tensor_parallel_size=2, pipeline_parallel_size=3, data_parallel_size=5)) == 30


def test_a_measured_container_replaces_the_estimate() -> None:
    found = asked_plan(facts(), H100, Intent(), RELEASE, measured_bytes=8192 * TOKEN_BYTES + BLOCK)
    assert (str(found.verdict), found.settings.max_model_len) == ("Fits", 8192)


@pytest.mark.parametrize(
    ("intent", "asked"),
    [
        pytest.param(Intent(), (None, 1), id="vLLM's own length"),
        pytest.param(Intent(maximum_context=4096), (4096, 1), id="the cap"),
        pytest.param(
            Intent(settings=EngineSettings(max_model_len=2048), maximum_context=4096),
            (2048, 1),
            id="pinned beside a cap",
        ),
        pytest.param(Intent(gpu_count=4), (None, 4), id="as many ranks as GPUs"),
        pytest.param(
            Intent(settings=EngineSettings(tensor_parallel_size=2), gpu_count=4), (None, 2), id="pinned ranks stay"
        ),
    ],
)
def test_the_first_question_has_what_is_pinned_and_the_gpus_asked_for(
    intent: Intent, asked: tuple[int | None, int]
) -> None:
    flags = flags_to_ask(intent)
    assert (flags.max_model_len, flags.tensor_parallel_size) == asked


def test_before_vllm_answered_the_plan_is_unknown_and_has_no_figures() -> None:
    before = unasked_plan(H100, Intent(), FLAGS, "nobody knows", "wait")
    told = asked_plan_to_json(before)
    assert (told["verdict"], told["message"], told["hint"]) == ("Unknown", "nobody knows", "wait")
    assert (told["budget"], told["cup"], told["container"], told["vllmVersion"]) == (None, None, None, None)
    assert not before.fits


def test_the_document_has_the_figures_of_the_budget() -> None:
    told = asked_plan_to_json(chosen())
    found = chosen().found
    assert found is not None
    budget = told["budget"]
    spent = sum(budget[f"{name}Bytes"] for name in ("weights", "activationPeak", "nonTorch", "cudaGraph"))
    assert budget["kvCacheBytes"] == budget["requestedBytes"] - spent
    assert budget["kvCacheLowBytes"] < budget["kvCacheBytes"] < budget["kvCacheHighBytes"]
    assert told["cup"] == {"maxModelLen": 32_768, "neededBytes": 32_768 * TOKEN_BYTES + BLOCK}
    assert told["container"] == {"numBlocks": found.kv_cache_bytes // BLOCK, "maxModelLen": 32_768}
    assert told["model"] == {"architecture": "Qwen3VLForConditionalGeneration"}
    assert "vLLM 0.32.0's own figures" in told["explanation"][0]


@pytest.mark.parametrize(
    "workload",
    [
        pytest.param(Workload(4000, 96, images=Images(9)), id="images"),
        pytest.param(Workload(4000, 96, videos=Videos(9)), id="videos"),
        pytest.param(Workload(4000, 96, audios=Audios(9)), id="sounds"),
    ],
)
def test_items_that_nobody_counted_take_no_part_of_the_context(workload: Workload) -> None:
    """4,096 tokens of text: one more would ask for the next length."""
    tight = leaving(4096 * TOKEN_BYTES + BLOCK + half_width())
    found = chosen(Intent(workload=workload), card=tight, found=facts(items=[]))
    assert found.settings.max_model_len == 4096


@pytest.mark.parametrize(
    ("workload", "length"),
    [
        pytest.param(Workload(4000, 96, audios=Audios(1), tokens_per_audio=1), 8192, id="sounds as stated"),
        pytest.param(Workload(4000, 96, videos=Videos(1), tokens_per_video=1), 8192, id="videos as stated"),
        pytest.param(Workload(4000, 96, images=Images(1), tokens_per_image=1), 8192, id="images as stated"),
        pytest.param(Workload(2054, 0, images=Images(1)), 4096, id="an image as vLLM counted it: 2,042 tokens"),
        pytest.param(Workload(2055, 0, images=Images(1)), 8192, id="and a token more"),
    ],
)
def test_items_that_were_counted_do(workload: Workload, length: int) -> None:
    tight = leaving(4096 * TOKEN_BYTES + BLOCK + half_width())
    assert chosen(Intent(workload=workload), card=tight).settings.max_model_len == length


def test_where_nothing_was_served_the_longest_that_was_asked_bounds_the_context() -> None:
    settings = {"max_num_batched_tokens": 8192, "max_num_seqs": 256}
    assert chosen(found=facts(settings=settings)).settings.max_model_len == 32_768
    nothing = chosen(found=facts(settings=settings, requests=[]))
    assert "serves at most 0 with these flags" in nothing.message


def test_the_document_of_a_container_counts_no_negative_blocks() -> None:
    told = asked_plan_to_json(chosen(card=leaving(-(2**30))))
    assert told["container"] == {"numBlocks": 0, "maxModelLen": 0}
    assert told["budget"]["totalBytes"] == leaving(-(2**30)).total_bytes
    assert told["pinned"] == []


def test_contexts_that_are_asked_about_are_two_for_each_doubling() -> None:
    assert CONTEXTS[:4] == (2048, 3072, 4096, 6144)
    assert (CONTEXTS[-1], len(CONTEXTS)) == (1_572_864, 20)
