"""Vision towers that take patches of any resolution: Qwen2-VL, Qwen2.5-VL, MoonViT and others.

Sources: vLLM 0.32, ``model_executor/models/qwen2_vl.py``, ``qwen2_5_vl.py``, ``moonvit.py``. All of
them are divided over tensor-parallel ranks, or kept whole under ``--mm-encoder-tp-mode data``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType
from vlm_operator.model.weights.modules import Block, Collection

ROTARY_POSITIONS = 8192
"""Rows of the rotary table of these towers (``max_position=8192``)."""


def patch_embedding(tower: Block, vision: Config, width: int, *, bias: bool) -> None:
    """The convolution over patches of two frames."""
    patch = vision.integer("patch_size", 14)
    inputs = vision.integer("in_channels", 3) * vision.integer("temporal_patch_size", 2) * patch * patch
    tower.linear("patch_embed.proj", width, inputs, bias=bias, quantizable=False)


def rotary(tower: Block, head_size: int) -> None:
    """The table that rotates half of each head."""
    tower.tensor("rotary_pos_emb.cos_sin_cache", ROTARY_POSITIONS * (head_size // 2))


def fused_attention(blocks: Block, width: int, *, bias: bool) -> None:
    """Attention whose query, key and value are one matrix in the checkpoint too."""
    blocks.column("attn.qkv", 3 * width, width, bias=bias)
    blocks.row("attn.proj", width, width, bias=bias)


def qwen2_vl(collection: Collection, vision: Config, prefix: str = "visual") -> None:
    """Qwen2-VL: plain MLPs, layer norms with biases."""
    width, heads = vision.integer("embed_dim", 1280), vision.integer("num_heads", 16)
    output = vision.integer("hidden_size", 3584)
    merge = 2  # vLLM's merger has its own default, whatever ``spatial_merge_size`` says
    tower = collection.tower(prefix, 1, data_parallel=True)
    patch_embedding(tower, vision, width, bias=False)
    blocks = collection.tower(f"{prefix}.blocks.{{}}", vision.integer("depth", 32), data_parallel=True)
    blocks.norm("norm1", width, bias=True)
    blocks.norm("norm2", width, bias=True)
    fused_attention(blocks, width, bias=True)
    inner = int(width * (vision.number("mlp_ratio", 4) or 4))
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
    merger = collection.tower(f"{prefix}.merger", 1, component=Component.PROJECTOR, data_parallel=True)
    merger.norm("ln_q", width, bias=True)
    merger.mlp("mlp", width * merge**2, width * merge**2, ("0", "2"), outputs=output)
    rotary(tower, width // heads)


def qwen2_5_vl(collection: Collection, vision: Config, prefix: str = "visual", *, data_parallel: bool = True) -> None:
    """Qwen2.5-VL: gated MLPs, RMS norms."""
    width, heads = vision.integer("hidden_size", 1280), vision.integer("num_heads", 16)
    merge, output = vision.integer("spatial_merge_size", 2), vision.integer("out_hidden_size", 3584)
    tower = collection.tower(prefix, 1, data_parallel=data_parallel)
    patch_embedding(tower, vision, width, bias=False)
    blocks = collection.tower(f"{prefix}.blocks.{{}}", vision.integer("depth", 32), data_parallel=data_parallel)
    blocks.norm("norm1", width)
    blocks.norm("norm2", width)
    fused_attention(blocks, width, bias=True)
    blocks.gated_mlp("mlp", width, vision.integer("intermediate_size", 3420), bias=True)
    merger = collection.tower(f"{prefix}.merger", 1, component=Component.PROJECTOR, data_parallel=data_parallel)
    merger.norm("ln_q", width)
    merger.mlp("mlp", width * merge**2, width * merge**2, ("0", "2"), outputs=output)
    rotary(tower, width // heads)


def moonvit(
    collection: Collection, vision: Config, modalities: tuple[str, ...], prefix: str = "vision_tower", *,
    frames: int = 0, quantizable: bool = False,
) -> None:  # fmt: skip
    """MoonViT (Kimi): learned positions on a grid, one matrix for query, key and value.

    Args:
        collection: where the modules go.
        vision: the tower's section.
        modalities: what makes vLLM build it.
        prefix: vLLM's name of the tower.
        frames: positions in time; 0 where it has none.
        quantizable: False where vLLM hands the tower no quantisation.
    """
    width, inner = vision.integer("hidden_size", 1152), vision.integer("intermediate_size", 4304)
    patch, grid = vision.integer("patch_size", 14), vision.integer("init_pos_emb_height", 64)
    places = {"modalities": modalities, "data_parallel": True, "quantizable": quantizable}
    tower = collection.tower(prefix, 1, **places)  # type: ignore[arg-type]
    tower.linear("patch_embed.proj", width, 3 * patch**2, bias=True, quantizable=False)
    tower.tensor("patch_embed.pos_emb.time_weight", frames * width)
    tower.tensor("patch_embed.pos_emb.weight", grid * vision.integer("init_pos_emb_width", 64) * width)
    tower.norm("encoder.final_layernorm", width, bias=True)
    count = vision.integer("num_hidden_layers", 27)
    blocks = collection.tower(f"{prefix}.encoder.blocks.{{}}", count, **places)  # type: ignore[arg-type]
    blocks.norm("norm0", width, bias=True)
    blocks.norm("norm1", width, bias=True)
    blocks.column("wqkv", 3 * width, width, bias=True)
    blocks.row("wo", width, width, bias=True)
    blocks.mlp("mlp", width, inner, ("fc0", "fc1"))


def siglip_navit(tower: Block, blocks: Block, vision: Config, *, defaults: Mapping[str, int]) -> int:
    """SigLIP over patches of any resolution, learned positions beside rotated ones; returns its width.

    Args:
        tower: the tower's own model.
        blocks: its encoder's blocks.
        vision: its section.
        defaults: ``hidden_size``, ``num_attention_heads``, ``patch_size``, ``image_size``, ``intermediate_size``.
    """
    width = vision.integer("hidden_size", defaults["hidden_size"])
    heads = vision.integer("num_attention_heads", defaults["num_attention_heads"])
    patch, image = (vision.integer(key, defaults[key]) for key in ("patch_size", "image_size"))
    inputs = vision.integer("num_channels", 3) * patch**2
    tower.linear("embeddings.patch_embedding", width, inputs, bias=True, quantizable=False)
    tower.tensor("embeddings.position_embedding.weight", (image // patch) ** 2 * width)
    siglip_blocks(blocks, width, heads, vision.integer("intermediate_size", defaults["intermediate_size"]))
    tower.norm("post_layernorm", width, bias=True)
    tower.tensor("encoder.rotary_pos_emb.inv_freq", width // heads // 2 // 2, dtype=DType.FLOAT32)
    return width


def siglip_blocks(blocks: Block, width: int, heads: int, inner: int) -> None:
    """SigLIP's blocks, biases everywhere."""
    blocks.norm("layer_norm1", width, bias=True)
    blocks.norm("layer_norm2", width, bias=True)
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row("self_attn.out_proj", width, width, bias=True)
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))


def dots_vit(collection: Collection, vision: Config, prefix: str = "vision_tower") -> None:
    """dots.ocr: RMS norms, gated MLPs, a merger with a layer norm."""
    width = vision.integer("embed_dim", 1536)
    heads, inner = vision.integer("num_attention_heads", 12), vision.integer("intermediate_size", 4224)
    merge, bias = vision.integer("spatial_merge_size", 2), vision.boolean("use_bias", False)
    tower = collection.tower(prefix, 1, modalities=("image",), data_parallel=True)
    inputs = vision.integer("num_channels", 3) * vision.integer("patch_size", 14) ** 2
    tower.linear("patch_embed.patchifier.proj", width, inputs, bias=True, quantizable=False)
    tower.norm("patch_embed.patchifier.norm", width)
    count = vision.integer("num_hidden_layers", 42)
    blocks = collection.tower(f"{prefix}.blocks.{{}}", count, modalities=("image",), data_parallel=True)
    fused_attention(blocks, width, bias=bias)
    blocks.merged("mlp.fc13", ("mlp.fc1", "mlp.fc3"), (inner, inner), width, bias=bias)
    blocks.row("mlp.fc2", width, inner, bias=bias)
    blocks.norm("norm1", width)
    blocks.norm("norm2", width)
    if vision.boolean("post_norm", True):
        tower.norm("post_trunk_norm", width)
    output = vision.integer("hidden_size", 1536)
    merger = collection.tower(
        f"{prefix}.merger", 1, component=Component.PROJECTOR, modalities=("image",), data_parallel=True
    )
    merger.norm("ln_q", width, bias=True)
    merger.mlp("mlp", width * merge**2, width * merge**2, ("0", "2"), outputs=output)
    tower.tensor("rotary_pos_emb.inv_freq", width // heads // 2 // 2, dtype=DType.FLOAT32)


def omni_vision(collection: Collection, vision: Config, prefix: str = "visual") -> None:
    """Qwen3-Omni: the DeepStack tower; its mergers are named otherwise."""
    width, heads = vision.integer("hidden_size", 1152), vision.integer("num_heads", 16)
    merge, output = vision.integer("spatial_merge_size", 2), vision.integer("out_hidden_size", 3584)
    levels = vision.items("deepstack_visual_indexes")
    tower = collection.tower(prefix, 1)
    patch = Config({"patch_size": 16, **vision.values}, vision.path)
    patch_embedding(tower, patch, width, bias=True)
    image = vision.integer("image_size")
    tower.tensor("pos_embed.weight", (image // patch.integer("patch_size")) ** 2 * width)
    blocks = collection.tower(f"{prefix}.blocks.{{}}", vision.integer("depth", 27))
    blocks.norm("norm1", width, bias=True)
    blocks.norm("norm2", width, bias=True)
    fused_attention(blocks, width, bias=True)
    blocks.mlp("mlp", width, vision.integer("intermediate_size", 4304), ("linear_fc1", "linear_fc2"))
    wide = width * merge**2
    merger = collection.tower(f"{prefix}.merger", 1, component=Component.PROJECTOR)
    merger.norm("ln_q", width, bias=True)
    merger.mlp("mlp", wide, wide, ("0", "2"), outputs=output)
    count = 3 if levels is None else len(levels)
    mergers = collection.tower(f"{prefix}.merger_list.{{}}", count, component=Component.PROJECTOR)
    mergers.norm("ln_q", wide, bias=True)
    mergers.mlp("mlp", wide, wide, ("0", "2"), outputs=output)
    rotary(tower, width // heads)
