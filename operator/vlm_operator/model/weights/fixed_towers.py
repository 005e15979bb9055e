"""Vision towers over images of one size: CLIP, SigLIP, Pixtral, InternViT, Llama 4.

Sources: vLLM 0.32, ``model_executor/models/clip.py``, ``siglip.py``, ``pixtral.py``, ``intern_vit.py``,
``interns1_vit.py``, ``mllama4.py``. Defaults are those of transformers' config classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.weights.modules import Block, Collection


@dataclass(frozen=True, slots=True)
class TowerPlace:
    """Where a tower stands: its name, and what vLLM does with it.

    Attributes:
        prefix: vLLM's name of the tower.
        modalities: the tower is built where one of these is enabled.
        data_parallel: True where the family keeps it whole under ``--mm-encoder-tp-mode data``.
        layers: blocks that are built, or None for all.
        post_norm: whether the norm after the last block is built, or None: where all blocks are.
        quantizable: False where vLLM hands the tower no quantisation.
        inner: what stands between the prefix and the parts of CLIP and SigLIP.
    """

    prefix: str
    modalities: tuple[str, ...] = ("image",)
    data_parallel: bool = False
    layers: int | None = None
    post_norm: bool | None = None
    quantizable: bool = True
    inner: str = "vision_model"

    def named(self, suffix: str) -> str:
        """Name of a part inside the tower's own model, where CLIP and SigLIP have one."""
        return ".".join(filter(None, (self.inner, suffix)))

    def part(self, collection: Collection, suffix: str = "", blocks: int = 1, *, sharded: bool = True) -> Block:
        """A block of the tower."""
        name = f"{self.prefix}.{suffix}" if suffix else self.prefix
        return collection.tower(
            name,
            blocks,
            modalities=self.modalities,
            data_parallel=self.data_parallel,
            sharded=sharded,
            quantizable=self.quantizable,
        )


def _separate_attention(blocks: Block, width: int, heads: int, output: str) -> None:
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row(f"self_attn.{output}", width, width, bias=True)


def _encoder(collection: Collection, place: TowerPlace, vision: Config, width: int, heads: int) -> None:
    """The blocks that CLIP and SigLIP share."""
    inner = vision.integer("intermediate_size", 3072)
    whole = vision.integer("num_hidden_layers", 12)
    count = whole if place.layers is None else place.layers
    blocks = place.part(collection, place.named("encoder.layers.{}"), count)
    _separate_attention(blocks, width, heads, "out_proj")
    blocks.norm("layer_norm1", width, bias=True)
    blocks.norm("layer_norm2", width, bias=True)
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
    if place.post_norm or (place.post_norm is None and count == whole):
        place.part(collection, place.named("")).norm("post_layernorm", width, bias=True)


def clip(collection: Collection, vision: Config, place: TowerPlace) -> None:
    """CLIP: a class token, a norm before the blocks."""
    width, heads = vision.integer("hidden_size", 768), vision.integer("num_attention_heads", 12)
    patch, image = vision.integer("patch_size", 32), vision.integer("image_size", 224)
    clip_embeddings(collection, vision, place, width, (image // patch) ** 2 + 1, bias=False)
    place.part(collection, place.named("")).norm("pre_layrnorm", width, bias=True)
    _encoder(collection, place, vision, width, heads)


def clip_embeddings(
    collection: Collection, vision: Config, place: TowerPlace, width: int, positions: int, *, bias: bool
) -> None:
    """What CLIP and its kin put before their blocks: a class token, patches, learned positions."""
    embeddings = place.part(collection, place.named("embeddings"))
    inputs = vision.integer("num_channels", 3) * vision.integer("patch_size", 32) ** 2
    embeddings.tensor("class_embedding", width)
    embeddings.linear("patch_embedding", width, inputs, bias=bias, quantizable=False)
    embeddings.tensor("position_embedding.weight", positions * width)
    embeddings.tensor("position_ids", positions, dtype=DType.INT64)


def siglip(
    collection: Collection, vision: Config, place: TowerPlace, *, defaults: dict[str, int] | None = None,
    position_ids: bool = True,
) -> None:  # fmt: skip
    """SigLIP: no class token, positions learned for one image size."""
    have = {"hidden_size": 768, "num_attention_heads": 12, "patch_size": 16, "image_size": 224} | (defaults or {})
    width = vision.integer("hidden_size", have["hidden_size"])
    heads = vision.integer("num_attention_heads", have["num_attention_heads"])
    patch, image = vision.integer("patch_size", have["patch_size"]), vision.integer("image_size", have["image_size"])
    positions = (image // patch) ** 2
    embeddings = place.part(collection, place.named("embeddings"))
    inputs = vision.integer("num_channels", 3) * patch**2
    embeddings.linear("patch_embedding", width, inputs, bias=True, quantizable=False)
    embeddings.tensor("position_embedding.weight", positions * width)
    if position_ids:
        embeddings.tensor("position_ids", positions, dtype=DType.INT64)
    _encoder(collection, place, vision, width, heads)


def pixtral(collection: Collection, vision: Config, place: TowerPlace) -> None:
    """Pixtral in transformers' format: gated MLPs, no biases, rotary positions."""
    width, heads = vision.integer("hidden_size", 1024), vision.integer("num_attention_heads", 16)
    patch, size = vision.integer("patch_size", 16), width // heads
    whole = vision.integer("num_hidden_layers", 24)
    tower = place.part(collection)
    tower.linear("patch_conv", width, vision.integer("num_channels", 3) * patch**2, quantizable=False)
    tower.norm("ln_pre", width)
    blocks = place.part(collection, "transformer.layers.{}", whole if place.layers is None else place.layers)
    blocks.norm("attention_norm", width)
    blocks.qkv("attention", heads, heads, size, width)
    blocks.row("attention.o_proj", width, heads * size)
    blocks.gated_mlp("feed_forward", width, vision.integer("intermediate_size", 4096))
    blocks.norm("ffn_norm", width)
    rotated = vision.integer("head_dim", size)
    tower.tensor("patch_positional_embedding.inv_freq", 2 * (rotated // 2), dtype=DType.FLOAT32)


def intern_vit(collection: Collection, vision: Config, place: TowerPlace, *, more_heads: int = 0) -> None:
    """InternViT: attention is kept whole where the ranks do not divide its heads; scaled residuals.

    Args:
        collection: where the modules go.
        vision: the tower's section.
        place: where it stands.
        more_heads: heads that vLLM adds so that more numbers of ranks divide them.
    """
    width, heads = vision.integer("hidden_size"), vision.integer("num_attention_heads")
    heads, attention = heads + more_heads, (heads + more_heads) * (width // heads)
    patch, image = vision.integer("patch_size", 14), vision.integer("image_size", 448)
    inner = vision.integer("intermediate_size")
    norm_bias = vision.text("norm_type", "rms_norm") == "layer_norm"
    whole = vision.integer("num_hidden_layers")
    embeddings = place.part(collection, "embeddings")
    embeddings.tensor("class_embedding", width)
    inputs = vision.integer("num_channels", 3) * patch**2
    embeddings.linear("patch_embedding", width, inputs, bias=True, quantizable=False)
    embeddings.tensor("position_embedding", ((image // patch) ** 2 + 1) * width)
    blocks = place.part(collection, "encoder.layers.{}", whole if place.layers is None else place.layers)
    blocks.column("attn.qkv", 3 * attention, width, bias=vision.boolean("qkv_bias", True), heads=heads)
    if vision.boolean("qk_normalization", True):
        blocks.norm("attn.q_norm", attention)
        blocks.norm("attn.k_norm", attention)
    blocks.row("attn.proj", width, attention, bias=True, heads=heads)
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
    blocks.norm("norm1", width, bias=norm_bias)
    blocks.norm("norm2", width, bias=norm_bias)
    blocks.tensor("ls1", width)
    blocks.tensor("ls2", width)


def interns1_vit(collection: Collection, vision: Config, place: TowerPlace) -> None:
    """InternViT in transformers' format: attention whole on every rank."""
    width = vision.integer("hidden_size", 1024)
    patch, image = _side(vision, "patch_size", 14), _side(vision, "image_size", 448)
    whole = vision.integer("num_hidden_layers", 24)
    embeddings = place.part(collection, "embeddings")
    embeddings.tensor("cls_token", width)
    inputs = vision.integer("num_channels", 3) * patch**2
    embeddings.linear("patch_embeddings.projection", width, inputs, bias=True, quantizable=False)
    if vision.boolean("use_absolute_position_embeddings", True):
        embeddings.tensor("position_embeddings", ((image // patch) ** 2 + 1) * width)
    if vision.boolean("use_mask_token", False):
        embeddings.tensor("mask_token", width)
    blocks = place.part(collection, "encoder.layer.{}", whole if place.layers is None else place.layers)
    bias = vision.boolean("attention_bias", False)
    for name in ("q_proj", "k_proj", "v_proj"):
        blocks.linear(f"attention.{name}", width, width, bias=bias, quantizable=False)
    blocks.linear("attention.projection_layer", width, width, bias=True, quantizable=False)
    if vision.boolean("use_qk_norm", False):
        blocks.norm("attention.q_norm", width)
        blocks.norm("attention.k_norm", width)
    blocks.mlp("mlp", width, vision.integer("intermediate_size", 4096), ("fc1", "fc2"))
    norm_bias = vision.text("norm_type", "layer_norm") == "layer_norm"
    blocks.norm("layernorm_before", width, bias=norm_bias)
    blocks.norm("layernorm_after", width, bias=norm_bias)
    blocks.tensor("lambda_1", width)
    blocks.tensor("lambda_2", width)
    if not vision.boolean("use_mean_pooling", True):
        place.part(collection).norm("layernorm", width, bias=norm_bias)


def _side(vision: Config, key: str, default: int) -> int:
    """A side in pixels that some configs write as a pair."""
    value = vision.values.get(key)
    if isinstance(value, list | tuple):
        if len(value) != 2 or value[0] != value[1]:
            raise UnknownFact(f"{vision.field(key)}: {str(value)[:60]} is not square", field=vision.field(key))
        return Config({key: value[0]}, vision.path).integer(key)
    return vision.integer(key, default)


def llama4_vision(collection: Collection, vision: Config, place: TowerPlace) -> None:
    """Llama 4: a class token, rotary positions kept as complex numbers, an adapter that shuffles pixels."""
    width, heads = vision.integer("hidden_size", 768), vision.integer("num_attention_heads", 16)
    patch, image = vision.integer("patch_size", 14), vision.integer("image_size", 448)
    inner, positions = vision.integer("intermediate_size", 5632), (image // patch) ** 2 + 1
    tower = place.part(collection)
    tower.tensor("class_embedding", width)
    tower.tensor("positional_embedding_vlm", positions * width)
    inputs = vision.integer("num_channels", 3) * patch**2
    tower.column("patch_embedding.linear", width, inputs)
    tower.norm("layernorm_pre", width, bias=True)
    tower.norm("layernorm_post", width, bias=True)
    blocks = place.part(collection, "model.layers.{}", vision.integer("num_hidden_layers", 34))
    _separate_attention(blocks, width, heads, "o_proj")
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
    blocks.norm("input_layernorm", width, bias=True)
    blocks.norm("post_attention_layernorm", width, bias=True)
    projected = vision.integer("projector_input_dim", 4096)
    adapter = place.part(collection, "vision_adapter")
    adapter.column("mlp.fc1", projected, inner)
    adapter.row("mlp.fc2", vision.integer("projector_output_dim", 4096), projected)
    # complex64: two fp32 numbers an element
    tower.tensor("rotary_emb.cos_sin_cache", positions * (width // heads // 2) * 2, dtype=DType.FLOAT32)
