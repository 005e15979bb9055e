"""What the encoder of the profiling run takes at its peak, and what of it stays."""

from __future__ import annotations

import pytest
from startup_shapes import IMAGE, TOWER

from vlm_operator.capacity.startup.encoder import EncoderMemory, EncoderRun, encoder_memory
from vlm_operator.engine.encoder_rules import encoder_rules
from vlm_operator.engine.version import EngineVersion
from vlm_operator.units import GIB

PATCHES = 16384 * 4
PIXELS = PATCHES * 3 * 16 * 16 * 2 * 2
OUTPUTS = 16384 * 4096 * 2


def memory(
    run: EncoderRun = IMAGE,
    *,
    release: str = "0.32.0",
    ranks: int = 1,
    replicated: bool = False,
    pads: bool = False,
    keeps_inputs: bool = True,
    family: str = "qwen3_vl",
    compiled: bool = True,
    total: int = 80 * GIB,
) -> EncoderMemory:
    return encoder_memory(
        TOWER,
        encoder_rules(family, EngineVersion.parse(release), compiled=compiled),
        run,
        gpu_total_bytes=total,
        hidden_size=4096,
        tensor_parallel_size=ranks,
        replicated=replicated,
        pads_outputs=pads,
        keeps_inputs=keeps_inputs,
    )


def test_inputs_and_outputs_stay_until_the_sampler_has_run() -> None:
    assert memory().kept_bytes == PIXELS + OUTPUTS
    assert memory(keeps_inputs=False).kept_bytes == OUTPUTS


def test_the_peak_is_attention_or_mlp_of_every_patch_and_the_pixels() -> None:
    attention = 22 * 1152
    mlp = 6 * 1152 + 4 * 4304
    assert memory().transient_bytes == PATCHES * max(attention, mlp) + PIXELS


def test_a_float32_rotation_takes_more() -> None:
    assert memory(release="0.11.0").transient_bytes > memory(release="0.12.0").transient_bytes
    assert memory(release="0.12.0", family="dots_ocr").transient_bytes > 2 * memory(release="0.12.0").transient_bytes


@pytest.mark.parametrize("items", [1, 2, 5])
def test_padding_keeps_the_whole_budget_for_each_item(items: int) -> None:
    run = EncoderRun("image", items, 1000, 8192, 1000)
    width = 4096 * 2
    padded, plain = memory(run, pads=True, keeps_inputs=False), memory(run, keeps_inputs=False)
    assert plain.kept_bytes == items * 1000 * width
    assert padded.kept_bytes == (items * 8192 + 1000) * width


def test_ranks_divide_the_tower_but_not_what_stays() -> None:
    one, four = memory(), memory(ranks=4)
    assert four.transient_bytes < one.transient_bytes
    assert four.kept_bytes == one.kept_bytes


def test_a_replicated_tower_divides_the_items() -> None:
    run = EncoderRun("image", 4, 4096, 16384, 4096)
    whole, each = memory(run), memory(run, ranks=4, replicated=True)
    assert each.transient_bytes < whole.transient_bytes


def test_deepstack_levels_stay_beside_the_output() -> None:
    tower = TOWER.__class__(27, 1152, 4304, 16, 16, 2, 2048, deepstack_levels=3)
    kept = encoder_memory(
        tower,
        encoder_rules("qwen3_vl_moe", EngineVersion(0, 12)),
        EncoderRun("video", 1, 153600, 153600, 12288),
        gpu_total_bytes=80 * GIB,
        hidden_size=2048,
        tensor_parallel_size=2,
        replicated=False,
        pads_outputs=True,
        keeps_inputs=True,
    ).kept_bytes
    assert kept / GIB == pytest.approx(2.34 + 0.19 + 0.14, abs=0.01)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "glm4v"])
def test_a_fused_norm_does_not_write_in_place_where_vllm_compiles(family: str) -> None:
    mlp = 10 * 1152 + 6 * 4304
    assert memory(family=family).transient_bytes == PATCHES * mlp + PIXELS
    assert memory(family=family, compiled=False).transient_bytes < memory(family=family).transient_bytes


def test_gemma_4_encodes_what_a_tenth_of_the_gpu_holds_by_its_own_reckoning() -> None:
    small, large = (memory(family="gemma4", release="0.23.0", total=size * GIB) for size in (24, 320))
    assert (
        small.transient_bytes
        < large.transient_bytes
        == memory(family="qwen2_vl").transient_bytes + PATCHES * (6 * 1152 + 6 * 4304 - 22 * 1152)
    )
    assert small.kept_bytes == large.kept_bytes


def test_gemma_4_encoded_one_image_at_a_time_through_0_21() -> None:
    one = memory(family="gemma4", release="0.21.0")
    assert one.transient_bytes == 2520 * (6 * 1152 + 6 * 4304) + (PATCHES - 2520) * 1152 * 2 + PIXELS
