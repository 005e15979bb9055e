"""What safetensors headers say of a checkpoint."""

from typing import Any

import pytest

from vlm_operator.errors import InputError
from vlm_operator.model.checkpoint import checkpoint_from_headers, component_of
from vlm_operator.model.facts import CheckpointFacts, CheckpointPart, Component


def bf16(*shape: int) -> dict[str, Any]:
    return {"dtype": "BF16", "shape": list(shape), "data_offsets": [0, 0]}


@pytest.mark.parametrize(
    ("name", "component"),
    [
        pytest.param("model.embed_tokens.weight", Component.EMBEDDING, id="embeddings"),
        pytest.param("model.layers.3.mlp.up_proj.weight", Component.LANGUAGE_LAYERS, id="a layer"),
        pytest.param("model.layers.3.mlp.experts.7.up_proj.weight", Component.EXPERTS, id="an expert"),
        pytest.param("model.layers.3.mlp.shared_experts.up_proj.weight", Component.LANGUAGE_LAYERS, id="a shared one"),
        pytest.param("lm_head.weight", Component.HEAD, id="head"),
        pytest.param("model.visual.blocks.0.attn.qkv.weight", Component.VISION_TOWER, id="tower"),
        pytest.param("model.visual.merger.linear_fc1.weight", Component.PROJECTOR, id="merger"),
        pytest.param("multi_modal_projector.linear_1.weight", Component.PROJECTOR, id="projector"),
        pytest.param("vision_tower.embeddings.position_embedding.weight", Component.VISION_TOWER, id="positions"),
        pytest.param("model.audio_tower.layers.0.fc1.weight", Component.AUDIO_TOWER, id="audio"),
    ],
)  # fmt: skip
def test_a_tensors_name_says_which_part_it_belongs_to(name: str, component: Component) -> None:
    assert component_of(name) is component


def test_tensors_of_several_files_are_added_up_by_part_and_type() -> None:
    facts = checkpoint_from_headers(
        [
            {"__metadata__": {"format": "pt"}, "model.layers.0.mlp.up_proj.weight": bf16(8, 4)},
            {"model.layers.1.mlp.up_proj.weight": bf16(8, 4), "lm_head.weight": {"dtype": "F32", "shape": [10]}},
        ]
    )
    assert facts == CheckpointFacts(
        (
            CheckpointPart(Component.LANGUAGE_LAYERS, "BF16", 2, 64, 128),
            CheckpointPart(Component.HEAD, "F32", 1, 10, 40),
        )
    )


def test_elements_of_less_than_a_byte_are_packed() -> None:
    facts = checkpoint_from_headers([{"model.layers.0.mlp.up_proj.weight": {"dtype": "F4", "shape": [3, 3]}}])
    assert facts.parts[0].size_bytes == 5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("mtp.layers.0.mlp.up_proj.weight", id="layers under mtp"),
        pytest.param("model.layers.61.mlp.experts.0.up_proj.weight", id="a layer past the last"),
    ],
)
def test_layers_for_multi_token_prediction_are_not_loaded(name: str) -> None:
    header = {"model.layers.60.mlp.up_proj.weight": bf16(4), name: bf16(100)}
    facts = checkpoint_from_headers([header], layers=61)
    assert sum(part.size_bytes for part in facts.parts) == 8
    assert facts.skipped_bytes == 200


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        pytest.param({"shape": [1]}, "needs dtype and shape", id="no type"),
        pytest.param({"dtype": "BF16", "shape": [-1]}, "needs dtype and shape", id="a negative side"),
        pytest.param({"dtype": "BF16", "shape": [True]}, "needs dtype and shape", id="a truth for a side"),
        pytest.param({"dtype": "BF17", "shape": [1]}, "'BF17' is not one of safetensors' types", id="another type"),
        pytest.param("BF16", "needs dtype and shape", id="no object"),
    ],
)
def test_a_header_that_is_wrong_names_the_tensor(entry: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        checkpoint_from_headers([{"lm_head.weight": entry}])
    assert refused.value.field == "lm_head.weight"
