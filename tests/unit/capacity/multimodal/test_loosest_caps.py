"""The cap that is proposed is the loosest one that keeps its word, in each family's own unit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from token_rules import PUBLISHED
from vlm_operator.capacity.multimodal import Cap, cap_for_tokens, frame_cap_for_tokens
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)


def facts_of(architecture: str, **fields: Any) -> MultimodalFacts:
    facts = read_multimodal({"architectures": [architecture], **fields})
    assert facts is not None
    return facts


QWEN2 = facts_of("Qwen2VLForConditionalGeneration", model_type="qwen2_vl")
QWEN3 = facts_of("Qwen3VLForConditionalGeneration", model_type="qwen3_vl")
GEMMA4 = facts_of("Gemma4ForConditionalGeneration")
MISTRAL3 = PUBLISHED["mistralai/Mistral-Small-3.1-24B-Instruct-2503"]
KIMI = PUBLISHED["moonshotai/Kimi-VL-A3B-Instruct"]
COMMAND_A = PUBLISHED["CohereLabs/command-a-vision-07-2025"]


def cap(facts: MultimodalFacts, tokens: int, modality: str = "image") -> Cap | None:
    return cap_for_tokens(facts, modality, tokens, VERSION)


def options(found: Cap | None) -> dict[str, Any]:
    assert found is not None
    parsed: dict[str, Any] = json.loads(found.processor_kwargs)
    return parsed


@pytest.mark.parametrize(
    ("tokens", "most", "held"),
    [
        pytest.param(1000, 1000, 1000, id="as many cells as tokens"),
        pytest.param(200, 200, 200, id="the fewest that hold an image of 200:1 in a row"),
        pytest.param(199, 198, 198, id="below, such an image keeps the root of 200 times the bound"),
        pytest.param(20, 2, 20, id="twenty tokens bound two cells, and twenty in a row"),
        pytest.param(15, 1, 14, id="one cell is fourteen in a row"),
        pytest.param(14, None, None, id="fewer than one cell"),
        pytest.param(10**6, 16384, 16384, id="not above the family's own bound"),
    ],
)
def test_smart_resize_bounds_cells_of_every_shape(tokens: int, most: int | None, held: int | None) -> None:
    found = cap(QWEN3, tokens)
    assert (None if found is None else found.tokens) == held
    if found is not None and most is not None:
        size = options(found)["images_kwargs"]["size"]
        assert size["longest_edge"] == most * 32 * 32
        assert found.pixels == most * 32 * 32
        assert size["shortest_edge"] <= size["longest_edge"]
        assert found.megapixels == most * 1024 / 1e6
        assert found.price == f"images above {most * 1024 / 1e6:.1f} megapixels are scaled down"


def test_the_lower_bound_stays_where_it_holds_and_falls_where_rounding_up_would_exceed_the_cap() -> None:
    assert options(cap(QWEN3, 1000))["images_kwargs"]["size"]["shortest_edge"] == 64 * 1024
    # An image of 200:1 that is enlarged to 11 cells takes at most (sqrt(11 x 200) + 1) x (sqrt(11 / 200) + 1) = 59.1.
    assert options(cap(QWEN3, 60))["images_kwargs"]["size"]["shortest_edge"] == 11 * 1024


@pytest.mark.parametrize(
    ("tokens", "most"), [pytest.param(1, 1, id="one"), pytest.param(5000, 5000, id="many"),
                         pytest.param(10**7, 12288, id="the family's bound")],
)  # fmt: skip
def test_a_whole_video_is_bounded_by_its_volume(tokens: int, most: int) -> None:
    found = cap(QWEN3, tokens, "video")
    assert found is not None
    cell = 32 * 32 * 2
    size = options(found)["videos_kwargs"]["size"]
    assert (size["longest_edge"], found.pixels, found.tokens) == (most * cell, most * cell, most)
    assert size["shortest_edge"] == min(4096, most * cell)


@pytest.mark.parametrize("tokens", [1, 300, 700])
def test_frames_are_bounded_one_by_one_where_the_family_does_so(tokens: int) -> None:
    assert cap(QWEN2, tokens, "video") is None
    found = frame_cap_for_tokens(QWEN2, tokens, VERSION)
    assert found is not None
    size = options(found)["videos_kwargs"]["size"]
    assert (size["longest_edge"], found.pixels, found.tokens) == (tokens * 784, tokens * 784, tokens)
    assert size["shortest_edge"] <= size["longest_edge"]
    assert found.price.startswith("video frames above ")


def test_a_frame_cap_is_not_above_the_familys_own_and_exists_only_where_frames_are_bounded() -> None:
    most = QWEN2.processor.video_max_pixels  # type: ignore[attr-defined]
    found = frame_cap_for_tokens(QWEN2, 10**6, VERSION)
    assert found is not None
    assert (found.pixels, found.tokens) == (most, most // 784)
    assert frame_cap_for_tokens(QWEN3, 500, VERSION) is None
    assert frame_cap_for_tokens(GEMMA4, 500, VERSION) is None
    assert frame_cap_for_tokens(QWEN2, 0, VERSION) is None
    assert frame_cap_for_tokens(replace(QWEN2, modalities=("image",)), 500, VERSION) is None


@pytest.mark.parametrize(
    ("tokens", "chosen"), [(69, None), (70, 70), (139, 70), (140, 140), (279, 140), (280, 280), (5000, 280)], ids=str
)
def test_gemma_4_has_steps_up_to_what_its_processor_takes(tokens: int, chosen: int | None) -> None:
    facts = GEMMA4
    assert facts.processor.image_tokens == 280  # type: ignore[attr-defined]
    found = cap(facts, tokens)
    assert (None if found is None else found.tokens) == chosen
    if found is not None:
        assert options(found) == {"max_soft_tokens": chosen}
        side = facts.processor.patch_size * facts.processor.pooling_size  # type: ignore[attr-defined]
        assert found.pixels == found.tokens * side * side
    assert cap(facts, tokens, "video") is None


@pytest.mark.parametrize(("tokens", "side"), [(1, 1), (3, 1), (4, 2), (99, 9), (100, 10), (10**6, 55)], ids=str)
def test_mistrals_cap_is_a_square_side(tokens: int, side: int) -> None:
    found = cap(MISTRAL3, tokens)
    cell = MISTRAL3.processor.cell_size  # type: ignore[attr-defined]
    longest = MISTRAL3.processor.longest_edge  # type: ignore[attr-defined]
    edge = min(side * cell, longest)
    assert options(found) == {"size": {"longest_edge": edge}}
    assert found is not None
    assert (found.tokens, found.pixels) == ((-(-edge // cell)) ** 2, edge * edge)
    assert found.tokens <= max(tokens, 1)


@pytest.mark.parametrize("tokens", [1, 500, 513, 514, 700, 1000, 3000])
def test_kimis_cap_counts_patches_before_both_sides_are_padded(tokens: int) -> None:
    found = cap(KIMI, tokens)
    if found is None:
        assert tokens < 513, "a row of 511 patches with its padding"
        return
    limit = options(found)["in_token_limit"]
    assert 511 <= limit <= KIMI.processor.max_patches  # type: ignore[attr-defined]
    assert found.tokens <= tokens
    assert found.pixels == limit * 14 * 14
    rows, columns = limit // 511, 511
    padded = -(-rows // 2) * -(-columns // 2)
    assert padded <= found.tokens


@pytest.mark.parametrize(
    ("tiles_of_tokens", "chosen"),
    [
        pytest.param(0.99, None, id="less than a tile"),
        pytest.param(1, 1, id="one tile is its own overview"),
        pytest.param(2.99, 1, id="two tiles need an overview"),
        pytest.param(3, 2, id="two tiles and an overview"),
        pytest.param(100, 12, id="not above the family's own"),
    ],
)
def test_tiles_are_counted_with_their_overview(tiles_of_tokens: float, chosen: int | None) -> None:
    processor: Any = COMMAND_A.processor
    found = cap(COMMAND_A, int(tiles_of_tokens * processor.tokens_per_tile))
    if chosen is None:
        assert found is None
        return
    most = min(chosen, processor.max_tiles)
    assert options(found) == {"max_patches": most}
    assert found is not None
    assert found.tokens == (most if most == 1 else most + 1) * processor.tokens_per_tile
    assert found.pixels == most * processor.tile_size**2


@pytest.mark.parametrize("facts", [QWEN3, GEMMA4, MISTRAL3, KIMI, COMMAND_A], ids=lambda facts: facts.family)
def test_there_is_no_cap_for_nothing_and_none_for_what_the_model_does_not_support(facts: MultimodalFacts) -> None:
    assert cap(facts, 0) is None
    assert cap(facts, 5000, "audio") is None
    assert cap(replace(facts, modalities=("video",)), 5000) is None


@pytest.mark.parametrize("facts", [GEMMA4, MISTRAL3, KIMI, COMMAND_A], ids=lambda facts: facts.family)
def test_an_image_knob_does_not_cap_videos(facts: MultimodalFacts) -> None:
    assert cap(replace(facts, modalities=("image", "video")), 5000, "video") is None
