"""Check: LoRA adapters that vLLM refuses for this model class, rank or number of slots."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.adapters import LARGEST_VOCABULARY, RANKS, adapters_of
from vlm_operator.engine.architecture_adapters import supports_adapters, wraps_embeddings
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

CONFIG: Final = "config/lora.py: LoRAConfig (0.19.1 to 0.33.0)"
CLASSES: Final = "v1/worker/lora_model_runner_mixin.py: load_lora_model (0.19.1 to 0.33.0)"


VOCABULARY: Final = "lora/layers/logits_processor.py: create_lora_weights (0.19.1 to 0.33.0)"


def adapters(command: Command) -> Infeasible | None:
    """Refuse a class without adapters, too large a vocabulary, a rank that is none of vLLM's, and too few held."""
    asked = adapters_of(command.settings)
    if asked is None:
        return None
    architecture = command.model.architecture
    if not supports_adapters(architecture, command.version):
        return _refusal(
            f"enable-lora: vLLM {command.version} serves no LoRA adapters for {architecture}",
            "enable_lora",
            "leave LoRA out, or merge the adapter into the weights",
            CLASSES,
        )
    words = command.model.text.vocab_size
    if words > LARGEST_VOCABULARY and wraps_embeddings(architecture, command.version):
        return _refusal(
            f"enable-lora: {command.model.model} has a vocabulary of {words:,} tokens, and vLLM takes adapters for an "
            f"output matrix of at most {LARGEST_VOCABULARY:,}",
            "enable_lora",
            "leave LoRA out, or merge the adapter into the weights",
            VOCABULARY,
        )
    if asked.rank not in RANKS:
        larger = next((rank for rank in RANKS if rank > asked.rank), RANKS[-1])
        return _refusal(
            f"max-lora-rank: {asked.rank} is none of {', '.join(map(str, RANKS))}",
            "max_lora_rank",
            f"set --max-lora-rank to {larger}",
            CONFIG,
        )
    if asked.held < asked.slots:
        return _refusal(
            f"max-cpu-loras: {asked.held} is less than max-loras ({asked.slots})",
            "max_cpu_loras",
            f"set --max-cpu-loras to {asked.slots} or more, or leave it out",
            CONFIG,
        )
    return None


def _refusal(message: str, flag: str, remedy: str, source: str) -> Infeasible:
    return Infeasible(InfeasibleReason.FLAGS_CONTRADICT, message, flag, remedy, source)
