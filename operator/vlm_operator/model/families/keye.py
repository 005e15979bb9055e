"""Keye-VL 1 and 1.5: SigLIP over patches of any resolution, patches merged two by two, Qwen3.

Sources: vLLM 0.32 ``model_executor/models/keye.py`` and ``keye_vl1_5.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import PLAIN_TOWER
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files
from vlm_operator.model.processors import MultimodalFacts, ProbedResize, ThinSide
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.siglip_navit import SO400M, SiglipNavit
from vlm_operator.model.weights.wrapper import Wrapper

_LATER: Final = "KeyeVL1_5ForConditionalGeneration"
_PACKED_POSITIONS: Final = 32768


def _tower(config: Config) -> SiglipNavit:
    vision = config.section("vision_config")
    return SiglipNavit.read(
        vision,
        SO400M,
        output_size=text_width(config),
        merge_size=vision.integer("spatial_merge_size", 2),
        traits=PLAIN_TOWER,
        position_ids=True,
        packed_positions=_PACKED_POSITIONS,
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, FAMILY.place)
    width = tower.width
    projector = wrapper.projector("mlp_AR", modalities=FAMILY.place.modalities)
    projector.norm("pre_norm", 4 * width if wrapper.architecture == _LATER else width, bias=True)
    projector.column("linear_1", 4 * width, 4 * width, bias=True)
    projector.row("linear_2", wrapper.text.hidden_size, 4 * width, bias=True)
    wrapper.read_own_language()


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    vision = config.section("vision_config")
    least, most = files.image_bounds(28 * 28 * 4, 28 * 28 * 1280)
    later = _LATER in (config.items("architectures") or [])
    return MultimodalFacts(
        "keye_vl1_5" if later else "keye",
        ("image", "video"),
        ProbedResize(
            patch_size=vision.integer("patch_size", 14),
            merge_size=vision.integer("spatial_merge_size", 2),
            temporal_patch_size=1,
            min_pixels=least,
            max_pixels=most,
            even_frames=False,
            min_frames=1,
            max_frames=2048 if later else 16,
            reserves_every_image=True,
            thin_side=ThinSide.ENLARGE,
        ),
        item_limits=(("video", 1),) if later else (),
    )


_TEXT: Final = LanguageModel(architecture="Qwen3ForCausalLM", model_type="")

FAMILY: Final = Family(
    name="keye",
    variants=(
        Variant(architecture="KeyeForConditionalGeneration", model_types=("keye",), text=_TEXT),
        Variant(architecture=_LATER, model_types=("keye_vl1_5",), text=_TEXT),
    ),
    tower=_tower,
    place=TowerPlace("visual.vision_model"),
    tokens=_tokens,
    weights=_weights,
)
