"""Granite Speech and Granite Speech Plus: a conformer, a Q-Former over windows of 15 outputs, Granite.

Source: vLLM 0.33 ``model_executor/models/granite_speech.py``, ``granite_speech_plus.py``, ``blip2.py``; transformers 5
``models/granite_speech`` (``_get_num_audio_features``). The adapter that some checkpoints bring is not counted.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import Step
from vlm_operator.model.towers.heard import PLAIN
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.modules import Block
from vlm_operator.model.weights.wrapper import Wrapper

_ENCODER: Final = {
    "input_dim": 160,
    "num_layers": 10,
    "hidden_dim": 1024,
    "feedforward_mult": 4,
    "num_heads": 8,
    "output_dim": 42,
    "max_pos_emb": 512,
    "conv_kernel_size": 15,
    "conv_expansion_factor": 2,
}
"""What ``GraniteSpeechEncoderConfig`` fills in."""
_QFORMER: Final = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "cross_attention_frequency": 2,
    "encoder_hidden_size": 1408,
}
"""What ``Blip2QFormerConfig`` fills in."""
_SAMPLES: Final = 320
"""Samples of a position: two frames of 160."""
_WIDTH_BYTES, _HEADS_BYTES, _SCORE_BYTES = 10, 33, 7
"""Bytes of a position at the peak of attention, times the encoder's width, times its heads', times their scores: slopes
of the encoder's own ``forward`` (vLLM 0.33) with every allocation counted, rounded up by up to a twentieth."""
_LARGEST_SAMPLES, _LARGEST_TOKENS = 8_000_000, 5001
"""The sound that start-up takes for the largest (``get_max_audio_len``), and its tokens."""


def _hears(config: Config) -> AudioTower:
    """The conformer: attention over windows in plain matrices decides (``SDPBackend.MATH``), in float32."""
    encoder = config.section("encoder_config").over(_ENCODER)
    width, heads = encoder.integer("hidden_dim"), encoder.integer("num_heads")
    divided = heads * encoder.integer("dim_head", width // heads)
    scores = heads * encoder.integer("context_size", 200)
    return AudioTower(
        layers=encoder.integer("num_layers"),
        hidden_size=width,
        intermediate_size=width * encoder.integer("feedforward_mult"),
        output_size=0,
        inputs_per_patch=encoder.integer("input_dim"),
        samples=_SAMPLES,
        front_bytes=_WIDTH_BYTES * width + _HEADS_BYTES * divided + _SCORE_BYTES * scores,
        traits=PLAIN,
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    window = config.integer("window_size", 15)
    audio = FramedAudio(
        frame=160,
        before=160,
        steps=(Step(0, 2, 2), Step(0, 1, window)),
        times=window // config.integer("downsample_rate", 5),
        dummy=_LARGEST_SAMPLES,
        largest=_LARGEST_TOKENS if window == 15 else 0,
    )
    return MultimodalFacts("granite_speech", AUDIO, None, audio=audio, item_limits=(("audio", 1),))


def _weights(wrapper: Wrapper) -> None:
    wrapper.read_own_language()
    encoder = wrapper.config.section("encoder_config").over(_ENCODER)
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO}
    tower = wrapper.collection.tower("encoder", 1, **options)  # type: ignore[arg-type]
    width, output = encoder.integer("hidden_dim"), encoder.integer("output_dim")
    tower.linear("input_linear", width, encoder.integer("input_dim"), bias=True, quantizable=False)
    tower.column("out", output, width, bias=True)
    tower.row("out_mid", width, output, bias=True)
    blocks = wrapper.collection.tower("encoder.layers.{}", encoder.integer("num_layers"), **options)  # type: ignore[arg-type]
    _conformer(blocks, encoder)
    _projector(wrapper)


def _conformer(blocks: Block, encoder: Config) -> None:
    width, heads = encoder.integer("hidden_dim"), encoder.integer("num_heads")
    head = encoder.integer("dim_head", width // heads)
    inner, expanded = width * encoder.integer("feedforward_mult"), width * encoder.integer("conv_expansion_factor")
    for name in ("ff1", "ff2"):
        blocks.norm(f"{name}.pre_norm", width, bias=True)
        blocks.column(f"{name}.up_proj", inner, width, bias=True)
        blocks.row(f"{name}.down_proj", width, inner, bias=True)
    blocks.norm("attn.pre_norm", width, bias=True)
    blocks.linear("attn.to_q", heads * head, width, quantizable=False)
    blocks.linear("attn.to_kv", 2 * heads * head, width, quantizable=False)
    blocks.linear("attn.to_out", width, heads * head, bias=True, quantizable=False)
    blocks.tensor("attn.rel_pos_emb.weight", (2 * encoder.integer("max_pos_emb") + 1) * head)
    blocks.norm("conv.norm", width, bias=True)
    blocks.linear("conv.up_conv", 2 * expanded, width, bias=True, quantizable=False)
    blocks.tensor("conv.depth_conv.conv.weight", expanded * encoder.integer("conv_kernel_size"))
    blocks.tensor("conv.batch_norm", expanded, times=4)
    blocks.tensor("conv.batch_norm.num_batches_tracked", 1, dtype=DType.INT64)
    blocks.linear("conv.down_conv", width, expanded, bias=True, quantizable=False)
    blocks.norm("post_norm", width, bias=True)


def _projector(wrapper: Wrapper) -> None:
    config = wrapper.config
    former = config.section("projector_config").over(_QFORMER)
    width, seen = former.integer("hidden_size"), former.integer("encoder_hidden_size")
    inner, count = former.integer("intermediate_size"), former.integer("num_hidden_layers")
    projector = wrapper.projector("projector", modalities=AUDIO, sharded=False)
    queries = config.integer("window_size", 15) // config.integer("downsample_rate", 5)
    projector.tensor("query", queries * width)
    projector.linear("linear", wrapper.text.hidden_size, width, bias=True, quantizable=False)
    projector.norm("qformer.layernorm", width, bias=True)
    every = former.integer("cross_attention_frequency")
    for name, keys, times in (("attention", width, count), ("crossattention", seen, -(-count // every))):
        path = f"qformer.encoder.layer.{name}"
        projector.linear(f"{path}.attention.query", width, width, bias=True, quantizable=False, times=times)
        for part in ("key", "value"):
            projector.linear(f"{path}.attention.{part}", width, keys, bias=True, quantizable=False, times=times)
        projector.linear(f"{path}.output.dense", width, width, bias=True, quantizable=False, times=times)
        projector.tensor(f"{path}.output.LayerNorm", width, times=2 * times)
    path = "qformer.encoder.layer"
    projector.linear(f"{path}.intermediate_query.dense", inner, width, bias=True, quantizable=False, times=count)
    projector.linear(f"{path}.output_query.dense", width, inner, bias=True, quantizable=False, times=count)
    projector.tensor(f"{path}.output_query.LayerNorm", width, times=2 * count)


_TEXT: Final = LanguageModel(architecture="GraniteForCausalLM", model_type="granite")

FAMILY: Final = Family(
    name="granite_speech",
    variants=(
        Variant(architecture="GraniteSpeechForConditionalGeneration", model_types=("granite_speech",), text=_TEXT),
        Variant(
            architecture="GraniteSpeechPlusForConditionalGeneration", model_types=("granite_speech_plus",), text=_TEXT
        ),
    ),
    place=TowerPlace("encoder", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
