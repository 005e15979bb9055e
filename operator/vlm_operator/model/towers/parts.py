"""Parts that towers over patches of any resolution share.

Sources: vLLM 0.32, ``model_executor/models/qwen2_vl.py`` and the towers that import from it.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.weights.modules import Block

ROTARY_POSITIONS: Final = 8192
"""Rows of the rotary table of these towers (``max_position=8192``)."""


def patch_embedding(tower: Block, width: int, patch_size: int, *, channels: int, frames: int, bias: bool) -> None:
    """The convolution over patches of ``frames`` frames."""
    tower.linear("patch_embed.proj", width, channels * frames * patch_size**2, bias=bias, quantizable=False)


def fused_attention(blocks: Block, width: int, *, bias: bool) -> None:
    """Attention whose query, key and value are one matrix in the checkpoint too."""
    blocks.column("attn.qkv", 3 * width, width, bias=bias)
    blocks.row("attn.proj", width, width, bias=bias)


def separate_attention(blocks: Block, width: int, heads: int, output: str) -> None:
    """Attention whose query, key and value are matrices of their own in the checkpoint.

    Args:
        blocks: the tower's blocks.
        width: elements of a patch.
        heads: attention heads.
        output: name of the output matrix.
    """
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row(f"self_attn.{output}", width, width, bias=True)


def rotary_table(tower: Block, head_size: int) -> None:
    """The table that rotates half of each head."""
    tower.tensor("rotary_pos_emb.cos_sin_cache", ROTARY_POSITIONS * (head_size // 2))
