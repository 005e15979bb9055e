"""DeepSeek-OCR and Unlimited-OCR: SAM over windows, CLIP over its features, one matrix, DeepSeek's MoE.

Sources: vLLM 0.32 ``model_executor/models/deepseek_ocr.py``, ``deepencoder.py`` and ``unlimited_ocr.py``: a view of
1024 pixels and tiles of 640, newline tokens. DeepSeek-OCR 2 (0.33 ``deepseek_ocr2.py``, ``deepencoder2.py``: tiles of
768) has a small Qwen2 in the place of CLIP, narrower than it: SAM's dimensions decide about memory there, too.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, OcrViews
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.windows import WindowsDecoderTower, WindowsTower
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("", IMAGE)
_SECOND: Final = "DeepseekOCR2ForCausalLM"
_UNLIMITED: Final = "UnlimitedOCRForCausalLM"


def _is(config: Config, architecture: str, model_type: str = "") -> bool:
    architectures = config.items("architectures")
    return architecture in architectures if architectures else config.text("model_type") == model_type


def _tower(config: Config) -> WindowsTower:
    second = _is(config, _SECOND, "deepseek_ocr2")
    return (WindowsDecoderTower if second else WindowsTower).fixed(text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    if _is(config, _SECOND, "deepseek_ocr2"):
        return MultimodalFacts("deepseek_ocr2", ("image",), OcrViews(1024, 16, 768, 12, 2, 6, newlines=False))
    if _is(config, _UNLIMITED):
        return MultimodalFacts("unlimited_ocr", ("image",), OcrViews(1024, 16, 640, 10, 2, 32, newlines=True))
    return MultimodalFacts("deepseek_ocr", ("image",), OcrViews(1024, 16, 640, 10, 2, 6, newlines=True))


def _weights(wrapper: Wrapper) -> None:
    second = _is(wrapper.config, _SECOND, "deepseek_ocr2")
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    section = wrapper.config.section("projector_config")
    if section.text("projector_type", "mlp_gelu") != "linear":
        field = section.field("projector_type")
        raise UnknownFact(f"{field}: {section.text('projector_type')!r} is not known", field=field)
    width = section.integer("n_embed", 2048)
    projector = wrapper.projector("", sharded=False)
    projector.linear("projector.layers", width, section.integer("input_dim", 2048), bias=True, quantizable=False)
    projector.tensor("image_newline", 0 if second else width)
    projector.tensor("view_seperator", width)
    wrapper.read_language(section="language_config", kind="deepseek_v2")


FAMILY: Final = Family(
    name="deepseek_ocr",
    variants=(
        Variant(architecture="DeepseekOCRForCausalLM", model_types=("deepseek_ocr",), nested="deepseek_v2"),
        Variant(architecture=_UNLIMITED, model_types=("unlimited-ocr", "unlimited_ocr"), nested="deepseek_v2"),
        Variant(architecture=_SECOND, model_types=("deepseek_ocr2",), nested="deepseek_ocr2_text"),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
