"""DeepSeek-VL2: SigLIP so400m of PyTorch Image Models at 384 pixels over listed canvases, then DeepSeek's MoE.

Source: vLLM 0.32 ``model_executor/models/deepseek_vl2.py`` (``siglip_so400m_patch14_384``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import CandidateCanvases, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.whole_attention import WholeAttentionTower
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision", IMAGE)


def _tower(config: Config) -> WholeAttentionTower:
    return WholeAttentionTower.fixed(text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-VL2: canvases of 384-pixel tiles listed in config and processor config."""
    listed = files.processor.items("candidate_resolutions") or config.items("candidate_resolutions")
    if listed is None:
        raise UnknownFact(
            "candidate_resolutions is missing from the config and has no known default",
            field="candidate_resolutions",
            hint="give the model's complete config.json",
        )
    patch = files.processor.integer("patch_size", 14)
    side = config.section("vision_config").integer("image_size", 384)
    ratio = files.processor.integer("downsample_ratio", 2)
    if not listed:
        raise InputError("candidate_resolutions: the list is empty", field="candidate_resolutions")
    canvases = []
    for pair in listed[:1024]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(f"candidate_resolutions: {str(pair)[:40]!r} is not a pair", field="candidate_resolutions")
        entry = Config({"width": pair[0], "height": pair[1]}, "candidate_resolutions")
        canvases.append((entry.integer("width"), entry.integer("height")))
    return MultimodalFacts(
        "deepseek_vl2", ("image",), CandidateCanvases(side, -(-(side // patch) // ratio), tuple(canvases))
    )


def _weights(wrapper: Wrapper) -> None:
    section = wrapper.config.section("projector_config")
    kind = section.text("projector_type", "mlp_gelu")
    if kind != "downsample_mlp_gelu" or section.integer("depth", 1) != 2:
        field = section.field("projector_type")
        raise UnknownFact(f"{field}: {kind!r} of depth {section.values.get('depth')} is not known", field=field)
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    output = section.integer("n_embed", 2048)
    between = output * section.integer("mlp_ratio", 1)
    inputs = section.integer("input_dim", 1152) * section.integer("downsample_ratio", 2) ** 2
    projector = wrapper.projector("", sharded=False)
    projector.linear("projector.layers.0", between, inputs, bias=True, quantizable=False)
    projector.linear("projector.layers.2", output, between, bias=True, quantizable=False)
    projector.tensor("image_newline", output)
    projector.tensor("view_seperator", output)
    wrapper.read_language(section="language_config", kind="deepseek_v2")


FAMILY: Final = Family(
    name="deepseek_vl2",
    variants=(Variant(architecture="DeepseekVLV2ForCausalLM", model_types=("deepseek_vl_v2",), nested="deepseek_v2"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
