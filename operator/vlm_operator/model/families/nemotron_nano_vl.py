"""Nemotron Nano VL 12B v2 and the Omni models: RADIO over tiles of one size, or over native patches.

Sources: vLLM 0.32 ``model_executor/models/nano_nemotron_vl.py``; ``nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16`` (tiles
of 512 pixels, 12 at most). The weights of a sound encoder were not read.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import patches_along, shuffle_ratio, shuffled_tokens, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import AspectTiles, FramedAudio, MultimodalFacts, NativePatches, VideoText
from vlm_operator.model.processors_audio import SAMPLING_RATE, Step
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.radio import RadioTower
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.hybrid import nemotron_h
from vlm_operator.model.weights.shuffled_projector import merged_side
from vlm_operator.model.weights.wrapper import Wrapper

_ITEMS: Final = ("image", "video", "audio")
_PLACE: Final = TowerPlace("vision_model", _ITEMS)
_HALVES: Final = 0.5
"""The only ``downsample_ratio`` that vLLM's dynamic tiler takes (``DynamicResolutionImageTiler.__init__``)."""


_CLIP: Final = 30
"""Seconds of a sound that its encoder reads at once."""
_SHORTEST_CLIP: Final = 0.1
"""Seconds to which a shorter one is lengthened."""


def _tower(config: Config) -> Tower | None:
    """RADIO: its dimensions by the name of the model."""
    if not config.has("vision_config"):
        return None
    vision = config.section("vision_config")
    return RadioTower.read(vision, merge_size=merged_side(config, 2), output_size=text_width(config))


def _weights(wrapper: Wrapper) -> None:
    config = wrapper.config
    if config.has("sound_config"):
        raise UnknownFact("sound_config: the weights of a sound encoder are not known", field="sound_config")
    tower = _tower(config)
    if tower is None:
        raise UnknownFact("vision_config is missing from the config", field="vision_config")
    tower.build(wrapper.collection, _PLACE)
    width, between = config.integer("vit_hidden_size", tower.width), config.integer("projector_hidden_size")
    text = config.section("text_config" if config.has("text_config") else "llm_config")
    inputs = width * round(1 / shuffle_ratio(config, "downsample_ratio")) ** 2
    projector = wrapper.projector("mlp1", modalities=_ITEMS, sharded=False)
    projector.norm("0", inputs)
    projector.linear("1", between, inputs, quantizable=False)
    projector.linear("3", wrapper.text.hidden_size, between, quantizable=False)
    if text.integer("num_nextn_predict_layers", 0, least=0):
        projector.norm("vision_final_layernorm", width, bias=True)
    nemotron_h(wrapper.language(section="text_config" if config.has("text_config") else "llm_config"))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Nemotron Nano VL 12B v2 (``nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16``: tiles of 512 pixels, 12 at most) and the
    Omni models, whose config bounds patches instead of tiles.

    Raises:
        UnknownFact: tiles beside a sound encoder, a combination that no published model has.
    """
    arguments = config.section("vision_config").section("args")
    if arguments.has("min_num_patches"):
        return _native_patches(config, arguments)
    if config.has("sound_config"):
        raise UnknownFact(
            "sound_config: the token count of tiles beside a sound encoder is not known", field="sound_config"
        )
    side = config.integer("force_image_size", 512)
    patches = patches_along(side, config.integer("patch_size", 16), "patch_size")
    return MultimodalFacts(
        "nemotron_nano_vl",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=shuffled_tokens(patches, config),
            min_tiles=1,
            max_tiles=12,
            use_thumbnail=config.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            video_text=VideoText.SAMPLED,
            video_fills_context=True,
        ),
    )


def _native_patches(config: Config, arguments: Config) -> MultimodalFacts:
    ratio = config.number("downsample_ratio", 0.5)
    if ratio != _HALVES:
        raise InputError(f"downsample_ratio: {ratio} is not {_HALVES}, which vLLM asks for", field="downsample_ratio")
    patch_size = config.integer("patch_size", 16)
    vision = config.section("vision_config")
    frame_patches = vision.integer("video_target_num_patches", 0, least=0)
    if not frame_patches:
        frame_side = vision.integer("video_target_img_size", config.integer("force_image_size", 512))
        frame_patches = (-(-frame_side // patch_size)) ** 2
    heard = ("audio",) if config.has("sound_config") else ()
    return MultimodalFacts(
        "nemotron_omni" if heard else "nemotron_nano_vl",
        ("image", "video", *heard),
        NativePatches(
            patch_size=patch_size,
            downsample=2,
            min_patches=arguments.integer("min_num_patches"),
            max_patches=max(0, arguments.integer("max_num_patches", 0, least=-1)),
            frame_patches=frame_patches,
            frame_keeps_aspect=vision.boolean("video_maintain_aspect_ratio", False),
            frames_per_patch=vision.integer("video_temporal_patch_size", 1),
        ),
        audio=_sound(config.section("sound_config")) if heard else None,
    )


def _sound(sound: Config) -> FramedAudio:
    """Parakeet: windows of 30 s, each shrunk by convolutions; the largest sound fills the context.

    Source: vLLM 0.33 ``models/parakeet.py: ParakeetExtractor``, ``transformers_utils/configs/parakeet.py``.
    """
    rate, factor = sound.integer("sampling_rate", SAMPLING_RATE), sound.integer("subsampling_factor", 8)
    kernel = sound.integer("subsampling_conv_kernel_size", 3)
    step = Step((kernel - 1) // 2, kernel, sound.integer("subsampling_conv_stride", 2))
    hop = sound.integer("hop_length", 160)
    shortest = round(_SHORTEST_CLIP * rate)
    return FramedAudio(
        sampling_rate=rate,
        hop=hop,
        frame=hop,
        steps=(step,) * (factor.bit_length() - 1),
        window=_CLIP * rate,
        least=shortest,
        least_window=shortest,
        least_tokens=1,
        wrapper=2,
        sound_wrapper=2,
    )


FAMILY: Final = Family(
    name="nemotron_nano_vl",
    variants=(
        Variant(architecture="NemotronH_Nano_VL_V2", model_types=("NemotronH_Nano_VL_V2",)),
        Variant(
            architecture="NemotronH_Nano_Omni_Reasoning_V3",
            model_types=("NemotronH_Nano_Omni_Reasoning_V3",),
        ),
        Variant(architecture="NemotronH_Super_Omni_Reasoning_V3"),
        Variant(architecture="NemotronH_Omni_Reasoning_V3"),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
