"""What lies beside a tower at start-up: scores of visual words, inputs that a model's class holds for its levels.

The bytes of a score are the peak of ``VisualTokenizer.tokenize`` of vLLM 0.33 with every allocation counted.
"""

from __future__ import annotations

from typing import Any

import pytest
from startup_shapes import gpu, resolved

from vlm_operator.capacity.startup.encoder import encoder_memory
from vlm_operator.capacity.startup.loaded_buffers import loaded_buffer_bytes
from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.engine.encoder_rules import encoder_rules
from vlm_operator.engine.settings import ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts, VisionTower
from vlm_operator.model.reader import read_model_facts

VERSION = EngineVersion.parse("0.33.0")
TEXT = {
    "model_type": "qwen2",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}


def ovis(tokenize: str) -> ModelFacts:
    backbone = {"model_type": "aimv2", "image_size": 448, "patch_size": 14, "hidden_size": 1024}
    visual = {"vocab_size": 65536, "hidden_stride": 2, "tokenize_function": tokenize, "backbone_config": backbone}
    config = {
        "architectures": ["Ovis"],
        "model_type": "ovis",
        "hidden_size": 2048,
        "llm_config": TEXT,
        "visual_tokenizer_config": visual,
    }
    return read_model_facts(config, model="m", source="test")


def ovis2_5() -> ModelFacts:
    config: dict[str, Any] = {"architectures": ["Ovis2_5"], "model_type": "ovis2_5", "llm_config": TEXT}
    config["vit_config"] = {"model_type": "siglip2_navit", "patch_size": 16, "hidden_stride": 2}
    return read_model_facts(config, model="m", source="test")


def tower(model: ModelFacts) -> VisionTower:
    assert model.vision is not None
    return model.vision


@pytest.mark.parametrize(
    ("model", "each"),
    [
        pytest.param(ovis("softmax"), 6 * 65536, id="softmax, and a padded copy of it"),
        pytest.param(ovis("st_argmax"), 6 * 65536, id="the best word"),
        pytest.param(ovis("gumbel_argmax"), 12 * 65536, id="the best word after noise"),
        pytest.param(ovis2_5(), 8 * 65532, id="softmax in float32"),
    ],
)
def test_an_output_takes_so_much_while_its_word_is_chosen(model: ModelFacts, each: int) -> None:
    assert tower(model).choice_bytes == each


def test_another_way_to_choose_is_not_known() -> None:
    model = ovis("sampling")
    assert (model.vision, model.weights) == (None, None)
    assert "chooses visual words" in (model.weights_unknown or "")


def test_words_decide_where_their_scores_take_more_than_the_blocks() -> None:
    model = ovis2_5()
    settings, version = resolved(
        "0.33.0",
        model,
        gpu(),
        max_num_batched_tokens=2048,
        max_model_len=32768,
        limit_mm_per_prompt=(("video", ModalityLimit(0)),),
    )
    run = profiled_encoder(model, settings, version)
    assert run is not None
    assert (run.items, run.encoded_tokens_per_item) == (1, (1792 // 32) ** 2 + 2)
    found = tower(model)
    memory = encoder_memory(
        found, encoder_rules(found.traits, version), run, gpu_total_bytes=80 * 2**30, hidden_size=2048,
        tensor_parallel_size=1, replicated=False, pads_outputs=False, keeps_inputs=False,
    )  # fmt: skip
    tokens = run.encoded_tokens_per_item
    assert memory.transient_bytes == tokens * 8 * 65532 + tokens * 4 * found.inputs_per_patch * 2


def test_a_class_with_levels_of_its_own_holds_a_batch_of_inputs_for_each() -> None:
    vision = {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 16, "hidden_size": 1152}
    config = {
        "architectures": ["Granite4VisionForConditionalGeneration"],
        "model_type": "granite4_vision",
        "text_config": TEXT | {"model_type": "granite"},
        "vision_config": vision | {"num_attention_heads": 16},
        "image_grid_pinpoints": [[384, 384]],
        "downsample_rate": "4/8",
        "deepstack_layer_map": [[-19, 0], [-13, 1], [-7, 2], [-1, 3]],
    }
    model = read_model_facts(config, model="m", source="test")
    settings, version = resolved("0.33.0", model, gpu(), max_num_batched_tokens=8192, max_model_len=32768)
    assert loaded_buffer_bytes(model, settings, version) == 8 * 8192 * 2048 * 2
    assert tower(model).output_size == 8 * 2048
