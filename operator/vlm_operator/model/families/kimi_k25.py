"""Kimi K2.5 and its successors: MoonViT with positions in time, a projector kept whole, DeepSeek-V3's experts.

Sources: vLLM 0.32 ``model_executor/models/kimi_k25.py`` and ``kimi_k25_vit.py``; ``moonshotai/Kimi-K2.5`` (16,384
patches of 14 pixels at most, 512 along a side).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PatchLimit
from vlm_operator.model.towers.moonvit import MoonViT
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import Wrapper


def _tower(config: Config) -> MoonViT:
    """The ``vt_`` names of published configs are not read: their values are the class's defaults."""
    vision = config.section("vision_config")
    places = {f"init_{key}": value for key, value in vision.values.items() if key.startswith("pos_emb_")}
    own = {key: value for key, value in vision.values.items() if not key.startswith("init_")}
    vision = Config({**own, **places}, vision.path)
    return MoonViT.read(vision, text_width(config), frames=vision.integer("init_pos_emb_time", 4))


def _weights(wrapper: Wrapper) -> None:
    """The tower and projector of compressed-tensors checkpoints are handed no quantisation."""
    holders = (wrapper.config, wrapper.config.section("text_config"))
    methods = [holder.section("quantization_config").text("quant_method") or "" for holder in holders]
    quantizable = not any(method.replace("_", "-") == "compressed-tensors" for method in methods)
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, replace(FAMILY.place, quantizable=quantizable))
    merged = tower.width * tower.merged
    projector = wrapper.projector("mm_projector", modalities=FAMILY.place.modalities, sharded=False)
    projector.norm("pre_norm", tower.width, bias=True)
    projector.linear("linear_1", merged, merged, bias=True, quantizable=quantizable)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=quantizable)
    wrapper.read_own_language(kind="deepseek_v3")


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """vLLM cuts a video into chunks of frames (``vision_chunk``) before it counts; their tokens are not known."""
    media = files.image.section("media_proc_cfg")
    kernel = media.values.get("merge_kernel_size")
    if isinstance(kernel, list | tuple) and kernel:
        media = Config({**media.values, "merge_kernel_size": kernel[0]}, media.path)
    return MultimodalFacts(
        "kimi_k25",
        ("image",),
        PatchLimit(
            patch_size=media.integer("patch_size", 14),
            merge_size=media.integer("merge_kernel_size", 2),
            max_patches=media.integer("in_patch_limit", 16_384),
            wrapper_tokens=4,
            dummy_side=3000,
            side_patches=media.integer("patch_limit_on_one_side", 512),
            fixed_tokens=media.integer("fixed_output_tokens", 0, least=0),
        ),
        uncounted=("video",),
    )


FAMILY: Final = Family(
    name="kimi_k25",
    variants=(
        Variant(
            architecture="KimiK25ForConditionalGeneration",
            model_types=("kimi_k25",),
            text=LanguageModel(architecture="DeepseekV2ForCausalLM", model_type="kimi_k2"),
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    weights=_weights,
)
