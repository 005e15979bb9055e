"""Which item start-up profiles, and how many of it."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.multimodal.encoder_budget import budget_of
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

RESOLVED = EngineSettings(max_model_len=32768, max_num_batched_tokens=8192, max_num_seqs=256, runner="V1")


def facts() -> MultimodalFacts:
    found = read_multimodal({"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl"})
    assert found is not None
    return found


def profiled(largest: dict[str, int], release: str = "0.32.0", **flags: object) -> tuple[str | None, int, int]:
    settings = RESOLVED.with_(**flags)
    found = budget_of(facts(), largest, settings, EngineVersion.parse(release))
    return found.modality, found.items, found.budget_tokens


@pytest.mark.parametrize(
    ("largest", "modality"),
    [
        pytest.param({"image": 900, "video": 100}, "image", id="the image is larger, though video comes later by name"),
        pytest.param({"image": 100, "video": 900}, "video", id="the video is larger"),
    ],
)
@pytest.mark.parametrize("release", ["0.11.2", "0.20.2", "0.32.0"])
def test_the_largest_item_is_profiled(largest: dict[str, int], modality: str, release: str) -> None:
    assert profiled(largest, release)[0] == modality


@pytest.mark.parametrize(
    ("tokens", "flags", "items", "budget"),
    [
        pytest.param(1000, {}, 8, 8192, id="as many as the batch holds"),
        pytest.param(8192, {}, 1, 8192, id="just one"),
        pytest.param(9000, {}, 1, 9000, id="one that is larger than the batch raises the budget"),
        pytest.param(1000, {"max_num_seqs": 1, "limit_mm_per_prompt": (("image", ModalityLimit(3)),)}, 3, 8192,
                     id="no more than requests may hold"),
        pytest.param(1000, {"max_num_seqs": 2, "limit_mm_per_prompt": (("image", ModalityLimit(3)),)}, 6, 8192,
                     id="of two requests"),
        pytest.param(1000, {"max_num_seqs": 1, "max_model_len": 2999}, 2, 8192, id="no more than the context holds"),
        pytest.param(1000, {"max_num_seqs": 1, "max_model_len": 999}, 1, 8192, id="one in any case"),
        pytest.param(3000, {"enable_chunked_prefill": False, "limit_mm_per_prompt": (("image", ModalityLimit(1)),)}, 2,
                     8192, id="without chunked prefill no more requests than fit into a batch"),
        pytest.param(0, {}, 0, 8192, id="an item without tokens"),
    ],
)  # fmt: skip
def test_how_many_of_it(tokens: int, flags: dict[str, object], items: int, budget: int) -> None:
    assert profiled({"image": tokens}, **flags) == ("image", items, budget)


def test_a_text_model_profiles_nothing() -> None:
    assert profiled({}) == (None, 0, 0)


@pytest.mark.parametrize("flag", ["max_num_batched_tokens", "max_num_seqs", "max_model_len"])
def test_flags_that_are_not_resolved_are_refused_by_name(flag: str) -> None:
    with pytest.raises(InputError) as refusal:
        profiled({"image": 1}, **{flag: None})
    assert refusal.value.field == flag.replace("_", "-")
