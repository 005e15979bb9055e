"""Module names of checkpoints where they differ from vLLM's.

A quantisation's list of unquantised modules is written in the checkpoint's names; vLLM translates it by each family's
``hf_to_vllm_mapper`` before it looks its own modules up (0.32: ``models/utils.py``, ``WeightsMapper``, and the class of
each family). A name that a rule does not begin stays as it is.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model import registry
from vlm_operator.model.family import Renames

PREFIXES: Final[dict[str, Renames]] = {
    "NemotronHForCausalLM": (("backbone", "model"),),
}
"""What a name begins with in the checkpoint, and in vLLM; the first that fits counts."""

PARTS: Final[dict[str, Renames]] = {
    "GptOssForCausalLM": ((".self_attn.", ".attn."),),
    "NemotronHForCausalLM": (("A_log", "A"), ("embeddings", "embed_tokens")),
}
"""Parts of names that differ."""


def vllm_name(name: str, architecture: str) -> str:
    """vLLM's name of a module that the checkpoint calls ``name``."""
    for old, new in PARTS.get(architecture, ()):
        name = name.replace(old, new)
    known = registry.by_architecture(architecture)
    for old, new in known.family.renames if known else PREFIXES.get(architecture, ()):
        if name.startswith(old):
            return new + name[len(old) :]
    return name
