"""Every record is found by its names, says each thing once, and agrees with itself."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from vlm_operator.model import families as folder
from vlm_operator.model import registry
from vlm_operator.model.cache_layers import TEXT_ARCHITECTURES
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family
from vlm_operator.model.weights.modules import Collection

FAMILIES = registry.families()


def test_every_file_in_the_folder_is_a_family_of_its_name() -> None:
    files = {path.stem for path in Path(folder.__file__).parent.glob("*.py")} - {"__init__"}
    assert {"glm4v", "gemma4", "qwen3_vl"} <= files == {family.name for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_found_by_architecture_and_by_model_type(family: Family) -> None:
    for variant in family.variants:
        assert registry.family_of(Config({"architectures": [variant.architecture]})) == (family, variant)
        for model_type in variant.model_types:
            known = registry.family_of(Config({"model_type": model_type}))
            assert known is not None
            assert known.family is family


def test_no_record_claims_a_language_model() -> None:
    assert not TEXT_ARCHITECTURES & {variant.architecture for family in FAMILIES for variant in family.variants}


def test_a_text_config_reads_no_record() -> None:
    """Records are many, and most configs that a fleet is planned from are read again and again."""
    script = (
        "import sys\n"
        "from vlm_operator.model.reader import read_model_facts\n"
        "config = {'architectures': ['Qwen3ForCausalLM'], 'model_type': 'qwen3'}\n"
        "assert read_model_facts(config, model='text', source='test').weights\n"
        "print(sum(name.startswith('vlm_operator.model.families.') for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "0"


def test_no_two_families_claim_a_name() -> None:
    architectures = Counter(variant.architecture for family in FAMILIES for variant in family.variants)
    owners = Counter(
        chain.from_iterable(
            {name for variant in family.variants for name in variant.model_types} for family in FAMILIES
        )
    )
    assert max(architectures.values()) == 1
    assert max(owners.values()) == 1


@pytest.mark.parametrize("names", [None, [], [3], ["NoSuchModel"]])
def test_names_that_no_record_has_are_nobodys(names: object) -> None:
    assert registry.family_of(Config({"architectures": names, "model_type": "no_such_type"})) is None


STATED = {
    *("interns2_mobius", "interns2_preview"),
    *("glm4v_9b", "h2ovl", "internvl_chat", "nvlm"),
    *("cosmos3", "minimax_m3", "nemotron_nano_vl", "opencua", "step3_vl"),
}
"""Families whose towers have no class with defaults."""


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.tower], ids=lambda family: family.name)
def test_a_tower_builds_the_blocks_that_its_dimensions_say(family: Family) -> None:
    assert family.tower is not None
    for variant in family.variants:
        if not variant.weights_known:
            continue
        model_type = next(iter(variant.model_types), "")
        section: dict[str, object] = {"hidden_act": "gelu", "image_size": 768}
        if family.name in STATED:
            section |= {"num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 128, "patch_size": 14}
            section |= {"num_attention_heads": 4, "num_heads": 4, "num_positions": 100}
            section |= {"depth": 3, "out_hidden_size": 64, "args": {"model": "vit_small_patch16_224"}}
            section |= {"layers": 3, "width": 64, "heads": 4, "mlp_ratio": 2.0}
        tower = family.tower(
            Config(
                {
                    "architectures": [variant.architecture],
                    "model_type": model_type,
                    "vision_config": section,
                    "vit_config": section,
                    "vision_encoder": section,
                    "thinker_config": {"vision_config": section},
                    "visual_tokenizer_config": {"backbone_config": {"model_type": "aimv2", **section}},
                    "downsample_rate": "4/8",
                    "deepstack_layer_map": [[-1, 0]],
                }
            )
        )
        assert tower is not None
        collection = Collection()
        tower.build(collection, family.place)
        numbers = {len(module.placement.numbers) for module in collection.modules if "{}" in module.name}
        assert not numbers or tower.facts.layers in numbers
