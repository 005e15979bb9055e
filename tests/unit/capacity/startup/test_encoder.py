"""What the encoder of the profiling run takes at its peak, and what of it stays."""

from __future__ import annotations

import dataclasses

import pytest
from startup_shapes import IMAGE, TOWER

from vlm_operator.capacity.startup.encoder import EncoderMemory, EncoderRun, bytes_per_patch, encoder_memory
from vlm_operator.engine.encoder_rules import encoder_rules
from vlm_operator.engine.tower_traits import PLAIN_TOWER, Activation, Rotation, TowerKind, TowerTraits
from vlm_operator.engine.version import EngineVersion
from vlm_operator.units import GIB, MIB

PATCHES = 16384 * 4
PIXELS = PATCHES * 3 * 16 * 16 * 2
OUTPUTS = 16384 * 4096 * 2

SHARED = TowerTraits(rotation=Rotation.SHARED)
FUSED = TowerTraits(
    gated=True,
    rotation=Rotation.SHARED,
    fused_norms=True,
    activation=Activation.SILU_AND_MUL,
    projections_kept=True,
)
RECKONS = TowerTraits(gated=True, reckoned_patch_bytes=4 * 10240 * 8, item_patches=2520)


def memory(
    run: EncoderRun = IMAGE,
    *,
    release: str = "0.32.0",
    ranks: int = 1,
    replicated: bool = False,
    pads: bool = False,
    keeps_inputs: bool = True,
    traits: TowerTraits = SHARED,
    compiled: bool = True,
    total: int = 80 * GIB,
) -> EncoderMemory:
    return encoder_memory(
        TOWER,
        encoder_rules(traits, EngineVersion.parse(release), compiled=compiled),
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
    assert (
        memory(release="0.12.0", traits=TowerTraits(rotation=Rotation.FLOAT32)).transient_bytes
        > 2 * memory(release="0.12.0").transient_bytes
    )


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


def test_ranks_hold_the_sum_beside_what_was_summed() -> None:
    whole, divided, reduced = 6, 16, 2
    assert memory(ranks=4).transient_bytes == PATCHES * 1152 * (whole + divided // 4 + reduced) + PIXELS


def test_a_replicated_tower_divides_the_items() -> None:
    run = EncoderRun("image", 4, 4096, 16384, 4096)
    whole, each = memory(run), memory(run, ranks=4, replicated=True)
    assert each.transient_bytes < whole.transient_bytes
    assert each.kept_bytes == whole.kept_bytes


def test_replicated_towers_gather_outputs_padded_to_the_longest_rank() -> None:
    run = EncoderRun("image", 1, 4096, 16384, 4096)
    whole, each = (memory(run, ranks=2, replicated=data, keeps_inputs=False) for data in (False, True))
    assert each.kept_bytes == 2 * whole.kept_bytes


def test_deepstack_levels_stay_beside_the_output() -> None:
    tower = TOWER.__class__(27, 1152, 4304, 16, 16, 2, 2048, deepstack_levels=3)
    kept = encoder_memory(
        tower,
        encoder_rules(SHARED, EngineVersion(0, 12)),
        EncoderRun("video", 1, 153600, 153600, 12288),
        gpu_total_bytes=80 * GIB,
        hidden_size=2048,
        tensor_parallel_size=2,
        replicated=False,
        pads_outputs=True,
        keeps_inputs=True,
    ).kept_bytes
    assert kept / GIB == pytest.approx(2.34 + 0.19 + 0.07, abs=0.01)


def test_levels_of_earlier_blocks_stay_whole_on_every_rank_while_later_blocks_run() -> None:
    plain, stacked = (
        tuple(
            encoder_memory(
                dataclasses.replace(TOWER, deepstack_levels=levels),
                encoder_rules(SHARED, EngineVersion(0, 32)),
                IMAGE,
                gpu_total_bytes=80 * GIB,
                hidden_size=4096,
                tensor_parallel_size=ranks,
                replicated=False,
                pads_outputs=False,
                keeps_inputs=False,
            ).transient_bytes
            for ranks in (1, 4)
        )
        for levels in (0, 3)
    )
    assert [more - less for less, more in zip(plain, stacked, strict=True)] == [3 * OUTPUTS] * 2


def test_a_patch_over_two_frames_takes_the_pixels_of_both() -> None:
    one, two = (
        encoder_memory(
            dataclasses.replace(TOWER, frames=frames),
            encoder_rules(SHARED, EngineVersion(0, 32)),
            IMAGE,
            gpu_total_bytes=80 * GIB,
            hidden_size=4096,
            tensor_parallel_size=1,
            replicated=False,
            pads_outputs=False,
            keeps_inputs=True,
        ).kept_bytes
        for frames in (1, 2)
    )
    assert two - one == PIXELS


def test_a_fused_norm_does_not_write_in_place_where_vllm_compiles() -> None:
    mlp = (8 + 2) * 1152 + 6 * 4304
    assert memory(traits=FUSED).transient_bytes == PATCHES * mlp + PIXELS
    assert memory(traits=FUSED, compiled=False).transient_bytes < memory(traits=FUSED).transient_bytes


def test_a_tower_that_reckons_encodes_what_a_tenth_of_the_gpu_holds() -> None:
    small, large = (memory(traits=RECKONS, release="0.23.0", total=size * GIB) for size in (24, 320))
    assert (
        small.transient_bytes
        < large.transient_bytes
        == memory().transient_bytes + PATCHES * (6 * 1152 + 6 * 4304 - 22 * 1152)
    )
    assert small.kept_bytes == large.kept_bytes


def test_a_tower_that_reckons_encoded_one_image_at_a_time_through_0_21() -> None:
    one = memory(traits=RECKONS, release="0.21.0")
    assert one.transient_bytes == 2520 * (6 * 1152 + 6 * 4304) + (PATCHES - 2520) * 1152 * 2 + PIXELS


def of_kind(kind: TowerKind, run: EncoderRun, *, ranks: int = 1, release: str = "0.32.0") -> EncoderMemory:
    return encoder_memory(
        dataclasses.replace(TOWER, traits=TowerTraits(kind)),
        encoder_rules(TowerTraits(kind), EngineVersion.parse(release)),
        run,
        gpu_total_bytes=80 * GIB,
        hidden_size=4096,
        tensor_parallel_size=ranks,
        replicated=False,
        pads_outputs=False,
        keeps_inputs=True,
    )


def test_crops_that_overlap_are_encoded_whole() -> None:
    overlapping = dataclasses.replace(IMAGE, patches_per_item=2 * PATCHES)
    assert of_kind(TowerKind.PLAIN, overlapping).transient_bytes == 2 * of_kind(TowerKind.PLAIN, IMAGE).transient_bytes
    assert of_kind(TowerKind.PLAIN, overlapping).kept_bytes == 2 * PIXELS + OUTPUTS


def test_a_tower_that_keeps_every_block_takes_its_width_for_each() -> None:
    plain, keeping = of_kind(TowerKind.PLAIN, IMAGE), of_kind(TowerKind.EVERY_BLOCK_KEPT, IMAGE)
    assert keeping.transient_bytes - plain.transient_bytes == PATCHES * 27 * 1152 * 2


def test_gated_mlps_take_more_than_plain_ones() -> None:
    wide = dataclasses.replace(TOWER, intermediate_size=8 * 1152)
    plain, gated = (
        bytes_per_patch(wide, encoder_rules(traits, EngineVersion(0, 32)), 1, 2)
        for traits in (PLAIN_TOWER, TowerTraits(gated=True))
    )
    assert gated - plain == 2 * 8 * 1152


@pytest.mark.parametrize("kind", [TowerKind.CONVOLUTIONS, TowerKind.WINDOWS])
def test_ranks_do_not_divide_a_tower_that_is_whole_on_each(kind: TowerKind) -> None:
    assert of_kind(kind, IMAGE, ranks=4) == of_kind(kind, IMAGE)


def test_ranks_divide_only_the_mlps_where_attention_is_whole() -> None:
    one, four = (of_kind(TowerKind.ATTENTION_WHOLE, IMAGE, ranks=ranks) for ranks in (1, 4))
    assert four.transient_bytes == PATCHES * 22 * 1152 + PIXELS
    assert one.transient_bytes == PATCHES * max(22 * 1152, 6 * 1152 + 4 * 4304) + PIXELS


@pytest.mark.parametrize(
    ("kind", "release", "run", "counted_mib"),
    [
        pytest.param(
            TowerKind.CONVOLUTIONS, "0.32.0", EncoderRun("image", 31, 256, 8192, 256), 5582, id="MobileNet V5"
        ),
        pytest.param(TowerKind.WINDOWS, "0.32.0", EncoderRun("image", 9, 856, 8192, 856), 369, id="SAM"),
        pytest.param(TowerKind.WINDOWS, "0.29.0", EncoderRun("image", 9, 856, 8192, 856), 684, id="SAM with biases"),
        pytest.param(TowerKind.WINDOWS, "0.29.0", EncoderRun("image", 1, 3456, 8192, 3456), 2954, id="SAM, 32 tiles"),
    ],
)
def test_what_was_counted_by_running_a_tower_on_shapes_is_covered(
    kind: TowerKind, release: str, run: EncoderRun, counted_mib: int
) -> None:
    """The bfloat16 storages alive at once, of timm's and vLLM's own modules on PyTorch's meta device."""
    merge = 1 if kind is TowerKind.CONVOLUTIONS else 4
    rules = encoder_rules(TowerTraits(kind), EngineVersion.parse(release))
    items = 1 if rules.one_item_at_once else run.items
    reckoned = items * run.encoded_tokens_per_item * merge**2 * rules.bytes_per_patch
    assert counted_mib * MIB <= reckoned <= 1.09 * counted_mib * MIB


def test_items_one_after_the_other_leave_only_their_outputs() -> None:
    one, nine = (of_kind(TowerKind.WINDOWS, EncoderRun("image", items, 856, 8192, 856)) for items in (1, 9))
    item = 856 * (4096 * 2 + 4 * 3 * 16 * 16 * 2)
    assert nine.transient_bytes - one.transient_bytes == 8 * item
