"""PaddleOCR-VL: SigLIP over patches of any resolution, a projector kept whole, ERNIE 4.5.

Sources: vLLM 0.32 ``model_executor/models/paddleocr_vl.py``; transformers 5 ``models/paddleocr_vl``;
``PaddlePaddle/PaddleOCR-VL`` (147,384 to 2,822,400 pixels).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded_resize
from vlm_operator.model.processors import MultimodalFacts, ThinSide
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.siglip_navit import SO400M, SiglipNavit
from vlm_operator.model.weights.wrapper import Wrapper


def _tower(config: Config) -> SiglipNavit:
    vision = config.section("vision_config")
    return SiglipNavit.read(
        vision,
        SO400M,
        output_size=text_width(config),
        merge_size=vision.integer("spatial_merge_size", 2),
        traits=TowerTraits(rotation=Rotation.SHARED, embeddings_kept=1),
        position_ids=True,
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, FAMILY.place)
    merged = tower.width * tower.merge_size**2
    projector = wrapper.projector("mlp_AR", sharded=False)
    projector.norm("pre_norm", tower.width, bias=True)
    projector.linear("linear_1", merged, merged, bias=True, quantizable=False)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=False)
    wrapper.read_own_language()


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = frame_bounded_resize(config.section("vision_config"), files)
    least, most = files.image_bounds(147_384, 2_822_400)
    resized = replace(processor, image_min_pixels=least, image_max_pixels=most, thin_side=ThinSide.ENLARGE)
    return MultimodalFacts("paddleocr_vl", ("image",), resized)


FAMILY: Final = Family(
    name="paddleocr_vl",
    variants=(
        Variant(
            architecture="PaddleOCRVLForConditionalGeneration",
            model_types=("paddleocr_vl",),
            text=LanguageModel(
                architecture="Ernie4_5ForCausalLM",
                model_type="paddleocr_vl_text",
                defaults=text_class(18, 1024, 3072, 103424, 16, 2, 128, 131072, tied=True),
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual.vision_model", ("image",)),
    tokens=_tokens,
    weights=_weights,
)
