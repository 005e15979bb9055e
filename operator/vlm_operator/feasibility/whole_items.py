"""Check: one image, video or audio fits one batch where the model reads items whole."""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.multimodal import max_item_tokens
from vlm_operator.engine.defaults import DeviceTraits, batch_defaults
from vlm_operator.engine.kv_cache_rules import kv_cache_rules
from vlm_operator.engine.refused_batches import reads_items_whole
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.model.processors import MultimodalFacts

SOURCE: Final = (
    "platforms/cuda.py: CudaPlatformBase.check_and_update_config; v1/core/encoder_cache_manager.py: "
    "compute_mm_encoder_budget (0.13.0 to 0.33.0)"
)


def items_are_read_whole(command: Command) -> bool:
    """Whether items of the model attend both ways, so that the release does not cut them."""
    known = isinstance(command.model.multimodal, MultimodalFacts)
    return known and command.model.traits.prefix_attention and reads_items_whole(command.version)


def whole_items(command: Command) -> Infeasible | None:
    """Refuse a batch below the largest item of a model whose items attend both ways."""
    model, settings, version = command.model, command.settings, command.version
    facts = model.multimodal
    if not items_are_read_whole(command) or not isinstance(facts, MultimodalFacts):
        return None
    batch = settings.max_num_batched_tokens
    if batch is None:
        if kv_cache_rules(version).raises_batched_tokens:
            return None
        gpu = command.gpu
        device = DeviceTraits(
            gpu.nvml_total_bytes or gpu.total_bytes, gpu.device_name or gpu.product, gpu.compute_capability
        )
        batch = batch_defaults(version, device, "serve")[1]
    length = settings.max_model_len or model.derived_max_model_len
    try:
        items = max_item_tokens(facts, settings.with_(max_model_len=length), version)
    except (InputError, UnknownFact):
        return None
    largest = max(items.values(), default=0)
    if batch >= largest:
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"max-num-batched-tokens: {batch:,} is less than the {largest:,} tokens of the largest item, "
        f"which {model.model} reads whole",
        "max_num_batched_tokens",
        f"raise --max-num-batched-tokens to {largest:,} or more, or lower --limit-mm-per-prompt of that modality to 0",
        SOURCE,
        (("max_num_batched_tokens", largest),),
    )
