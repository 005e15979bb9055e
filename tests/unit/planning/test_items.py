"""What plans say about images and videos: what is refused, which caps are chosen, what fits, and hostile figures."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

QWEN2_5_VL = "Qwen/Qwen2.5-VL-7B-Instruct"
MINUTE_IN_QUARTER_PIXELS = json.dumps({"videos_kwargs": {"size": {"longest_edge": 234416, "shortest_edge": 3136}}})
"""A cap on frames makes the largest item that start-up assumes small (14 frames), and a minute is 120 frames."""


def model(name: str) -> ModelFacts:
    return load_model(name, offline=True)


def asked(workload: Workload, **flags: object) -> Intent:
    settings = EngineSettings(**flags)  # type: ignore[arg-type]
    return Intent(workload=workload, settings=settings, pinned=frozenset(flags), gpu_count=1)


def minute(**flags: object) -> Intent:
    return asked(Workload(videos=Videos(1)), mm_processor_kwargs=MINUTE_IN_QUARTER_PIXELS, **flags)


def test_a_batch_is_raised_for_an_item_that_would_be_refused_and_the_plan_says_why() -> None:
    found = plan(model(QWEN2_5_VL), gpu("A100-80GB"), minute())
    assert found.verdict is Verdict.FITS
    assert found.settings.max_num_batched_tokens == 17408
    assert any("would start, but reject the video" in sentence for sentence in found.explanation)


def test_a_pinned_batch_that_refuses_a_described_item_does_not_fit_and_the_remedy_works() -> None:
    intent = minute(max_num_batched_tokens=2048, media_io_kwargs="{}")
    found = plan(model(QWEN2_5_VL), gpu("A100-80GB"), intent)
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.ITEM_REJECTED)
    assert "encoder tokens" in found.message
    assert "--max-num-batched-tokens to 17408" in (found.hint or "")
    raised = replace(intent, settings=intent.settings.with_(max_num_batched_tokens=17408))
    assert plan(model(QWEN2_5_VL), gpu("A100-80GB"), raised).verdict is Verdict.FITS


def test_a_pinned_batch_is_kept_where_fewer_frames_make_the_item_small_enough() -> None:
    found = plan(model(QWEN2_5_VL), gpu("A100-80GB"), minute(max_num_batched_tokens=8192))
    assert found.verdict is Verdict.FITS
    assert found.settings.max_num_batched_tokens == 8192
    assert json.loads(found.settings.media_io_kwargs or "{}")["video"] == {"max_frames": 30}
    assert found.settings.mm_processor_kwargs == MINUTE_IN_QUARTER_PIXELS


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned batch", "free batch"])
def test_the_cpu_backend_refuses_or_raises_alike(pinned: bool) -> None:
    intent = replace(
        minute(**({"max_num_batched_tokens": 2048} if pinned else {})), gpu_count=None, cpu_kv_cache_bytes=16 * GIB
    )
    found = cpu_plan(model(QWEN2_5_VL), intent)
    assert found.reason is (Reason.ITEM_REJECTED if pinned else Reason.FITS)
    assert found.settings.max_num_batched_tokens == (2048 if pinned else 17408)


ALBUM = Workload(prompt_tokens=500, output_tokens=2000, images=Images(20, 4032, 3024))


def test_photos_too_large_for_the_card_are_scaled_down_and_the_context_follows() -> None:
    found = plan(qwen3_vl(), gpu("L4"), asked(ALBUM))
    assert found.verdict is Verdict.FITS
    assert found.settings.mm_processor_kwargs is not None
    assert found.workload.total_tokens <= (found.settings.max_model_len or 0) < 40_000
    assert any("megapixels are scaled down" in sentence for sentence in found.explanation)
    assert any("Each image is scaled down to" in sentence for sentence in found.explanation)


@pytest.mark.parametrize("flag", ["mm_processor_kwargs", "media_io_kwargs"])
def test_caps_are_never_chosen_where_they_are_pinned(flag: str) -> None:
    workload = ALBUM if flag == "mm_processor_kwargs" else Workload(videos=Videos(1))
    name = model(QWEN2_5_VL) if flag == "media_io_kwargs" else qwen3_vl()
    found = plan(name, gpu("L4"), asked(workload, **{flag: "{}"}))
    assert getattr(found.settings, flag) == "{}"


def test_nothing_is_scaled_down_where_it_fits_as_it_is() -> None:
    found = plan(qwen3_vl(), gpu("H200"), asked(ALBUM))
    assert (found.verdict, found.settings.mm_processor_kwargs) == (Verdict.FITS, None)


def test_a_release_that_reads_no_scoped_sizes_is_given_none() -> None:
    """Before 0.29 start-up reads a flat ``size`` only; it is used where no other modality is reached by it."""
    found = plan(qwen3_vl(), gpu("L4"), replace(asked(ALBUM), version=EngineVersion(0, 20, 2)))
    assert "images_kwargs" not in (found.settings.mm_processor_kwargs or "")


def test_a_pinned_context_is_not_met_by_silent_scaling_but_the_hint_names_the_cap() -> None:
    found = plan(qwen3_vl(), gpu("H200"), asked(ALBUM, max_model_len=32768))
    assert found.reason is Reason.WORKLOAD_EXCEEDS_CONTEXT
    assert "such images" in (found.hint or "")
    cap = json.loads((found.hint or "").split("--mm-processor-kwargs to ")[1].split(" (")[0])
    again = plan(qwen3_vl(), gpu("H200"), asked(ALBUM, max_model_len=32768, mm_processor_kwargs=json.dumps(cap)))
    assert again.verdict is Verdict.FITS


@pytest.mark.parametrize(
    ("name", "workload", "flags", "words"),
    [
        pytest.param("google/gemma-3-12b-it", Workload(videos=Videos(1)), {}, "does not support videos", id="no video"),
        pytest.param(
            "google/gemma-3-12b-it",
            Workload(videos=Videos(1), tokens_per_video=5000),
            {},
            "does not support videos",
            id="no video, tokens stated",
        ),
        pytest.param("zai-org/GLM-4.5V", Workload(videos=Videos(2)), {}, "supports at most 1", id="one video only"),
        pytest.param("google/paligemma-3b-mix-448", Workload(images=Images(3)), {}, "at most 1", id="one image only"),
        pytest.param(
            QWEN2_5_VL,
            Workload(images=Images(4)),
            {"limit_mm_per_prompt": (("image", ModalityLimit(2)),)},
            "allows 2",
            id="above the pinned limit",
        ),
        pytest.param(QWEN2_5_VL, ALBUM, {"language_model_only": True}, "language-model-only", id="text only, pinned"),
        pytest.param(QWEN2_5_VL, Workload(images=Images(1, 0, 0)), {}, "not between 1 and", id="0x0"),
        pytest.param(QWEN2_5_VL, Workload(images=Images(1, 1, 100_000)), {}, "aspect ratio", id="1x100000"),
        pytest.param(QWEN2_5_VL, Workload(videos=Videos(1, -5.0)), {}, "not a number above zero", id="-5 seconds"),
        pytest.param(QWEN2_5_VL, Workload(videos=Videos(1, float("nan"))), {}, "above zero", id="NaN seconds"),
        pytest.param(QWEN2_5_VL, Workload(images=Images(-1)), {}, "not between 0 and", id="-1 images"),
        pytest.param(QWEN2_5_VL, Workload(prompt_tokens=-1), {}, "not between 0 and", id="-1 tokens"),
    ],
)
def test_what_no_server_takes_is_an_input_error(
    name: str, workload: Workload, flags: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        plan(model(name), gpu("H200"), asked(workload, **flags))


@pytest.mark.parametrize(
    "workload",
    [
        pytest.param(Workload(images=Images(10_000)), id="10,000 images"),
        pytest.param(Workload(images=Images(1, 4000, 4000), videos=Videos(900, 10.0)), id="900 videos"),
        pytest.param(Workload(videos=Videos(1, 1e9 / 30)), id="10^9 frames"),
        pytest.param(Workload(prompt_tokens=2**40), id="2^40 tokens"),
    ],
)
@pytest.mark.parametrize("name", [QWEN2_5_VL, "Qwen/Qwen3-VL-8B-Instruct", "OpenGVLab/InternVL3_5-8B"])
def test_absurd_workloads_are_answered_at_once(name: str, workload: Workload) -> None:
    started = time.process_time()
    found: Plan = plan(model(name), gpu("L4"), Intent(workload=workload))
    assert time.process_time() - started < 1
    if not found.fits:
        assert found.hint
        assert found.explanation is not None
    else:
        assert (found.settings.max_model_len or 0) >= found.workload.total_tokens


def test_a_limit_is_no_more_than_the_model_takes() -> None:
    found = plan(model("zai-org/GLM-4.1V-9B-Thinking"), gpu("H200"), asked(Workload(videos=Videos(1, 10.0))))
    assert dict(found.settings.limit_mm_per_prompt or ())["video"].count == 1
