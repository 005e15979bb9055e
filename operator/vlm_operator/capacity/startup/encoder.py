"""Memory the multimodal encoder allocates in the profiling run, and what of it stays allocated.

vLLM encodes as many dummy items of the largest kind as its encoder budget holds, in one call, keeps inputs and outputs
until the text pass and the sampler are done, then clears them (``v1/worker/gpu_model_runner.py: profile_run``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.encoder_rules import PREPARED_PIXELS, EncoderRules, PixelBytes
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.facts import VisionTower


@dataclass(frozen=True, slots=True)
class EncoderRun:
    """What the profiling run encodes.

    Attributes:
        modality: ``image``, ``video`` or ``audio``.
        items: dummy items in the one call.
        tokens_per_item: output tokens vLLM reckons for each.
        budget_tokens: the encoder budget ("Encoder cache will be initialized with a budget of … tokens").
        encoded_tokens_per_item: output tokens the dummy really has; less than reckoned where the family's formula
            adds timestamps (before 0.13 vLLM reckons 12.5 for one).
        patches_per_item: patches of the dummy where its tokens do not tell them (crops that overlap), else 0.
    """

    modality: str
    items: int
    tokens_per_item: int
    budget_tokens: int
    encoded_tokens_per_item: int
    patches_per_item: int = 0


@dataclass(frozen=True, slots=True)
class EncoderMemory:
    """Bytes per rank.

    Attributes:
        transient_bytes: peak inside the tower, inputs included.
        kept_bytes: inputs and outputs that stay through text pass and sampler.
    """

    transient_bytes: int
    kept_bytes: int


NOTHING: Final = EncoderMemory(0, 0)


def encoder_memory(
    tower: VisionTower | AudioTower,
    rules: EncoderRules,
    run: EncoderRun,
    *,
    gpu_total_bytes: int,
    hidden_size: int,
    tensor_parallel_size: int,
    replicated: bool,
    pads_outputs: bool,
    keeps_inputs: bool,
    element_bytes: int = 2,
    pixels: PixelBytes = PREPARED_PIXELS,
) -> EncoderMemory:
    """Bytes of encoding ``run`` on one rank.

    Args:
        gpu_total_bytes: memory of the GPU, a tenth of which bounds what some families encode at once.
        hidden_size: width of the language model, used where the tower does not say its output's width.
        replicated: ``--mm-encoder-tp-mode data``: every rank holds the whole tower and encodes its share of items, from
            a copy of their pixels, and gathers the outputs of all ranks, each padded to the longest.
        keeps_inputs: the dummy items' pixels stay on the GPU after the encoder has run.
        pads_outputs: outputs are copied into buffers of the whole budget, one for each item (before 0.13).
        pixels: bytes of each colour of a pixel.
    """
    heard = tower if isinstance(tower, AudioTower) else None
    shards = 1 if replicated or (heard and heard.whole) else tensor_parallel_size
    items_here = -(-run.items // tensor_parallel_size) if replicated else run.items
    merge = max(tower.merge_size, 1) ** 2
    patches_of_item = run.patches_per_item or run.encoded_tokens_per_item * merge
    patches = items_here * patches_of_item
    colours = tower.inputs_per_patch
    inputs = run.items * patches_of_item * colours
    level = (tower.output_size or hidden_size) * element_bytes
    width = level * (1 + tower.deepstack_levels)
    levels_kept = items_here * run.encoded_tokens_per_item * level * tower.deepstack_levels
    if heard:  # outputs of a part are outputs of the projector, which are counted below
        at_once, gathered = min(patches, heard.most_positions or patches), 0
    elif rules.one_item_at_once:
        at_once = min(patches, patches_of_item)
        gathered = (items_here - 1) * run.encoded_tokens_per_item * width
    else:
        at_once = patches_at_once(rules, patches, gpu_total_bytes)
        gathered = (patches - at_once) * tower.hidden_size * element_bytes
    own_copy = patches * colours * pixels.kept if replicated and tensor_parallel_size > 1 else 0
    outputs = (items_here * tensor_parallel_size if replicated else run.items) * run.encoded_tokens_per_item * width
    if pads_outputs and run.encoded_tokens_per_item < run.budget_tokens:
        # Each item gets a buffer of the whole budget; of the true outputs only the last is still referred to.
        outputs = (run.items * run.budget_tokens + run.encoded_tokens_per_item) * width
    blocks = at_once * bytes_per_patch(tower, rules, shards, element_bytes) + gathered + levels_kept
    if heard:
        before = min(patches, heard.front_positions or patches) * heard.front_bytes
        blocks = max(blocks, before * element_bytes // 2)
    if isinstance(tower, VisionTower):  # the words are chosen when the blocks are done
        blocks = max(blocks, items_here * run.encoded_tokens_per_item * tower.choice_bytes * element_bytes // 2)
    return EncoderMemory(
        transient_bytes=blocks + inputs * pixels.encoding + own_copy,
        kept_bytes=outputs + (inputs * pixels.kept if keeps_inputs else 0),
    )


def bytes_per_patch(tower: VisionTower | AudioTower, rules: EncoderRules, shards: int, element_bytes: int) -> int:
    """Bytes that a patch takes on one rank at the largest moment of its block."""
    if rules.bytes_per_patch:
        return rules.bytes_per_patch * element_bytes // 2
    largest = max(
        moment.bytes_per_patch(tower.hidden_size, tower.intermediate_size, shards) for moment in rules.moments
    )
    # The rules count two bytes an element; float32 takes twice as much at every step.
    kept = tower.layers * tower.hidden_size * element_bytes if rules.every_block_kept else 0
    return largest * element_bytes // 2 + kept


def patches_at_once(rules: EncoderRules, patches: int, gpu_total_bytes: int) -> int:
    """Patches that go through the tower together: all of them, unless the family encodes in chunks."""
    if rules.most_patches_at_once:
        return min(patches, rules.most_patches_at_once)
    if rules.reckoned_bytes_per_patch:
        return min(patches, max(gpu_total_bytes // 10 // rules.reckoned_bytes_per_patch, 1))
    return patches
