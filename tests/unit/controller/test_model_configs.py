"""ConfigMaps with configs of models: what the watch has seen, who looks again, and what is read from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vlm_operator.controller.model_configs import ModelConfigs
from vlm_operator.controller.models import Models
from vlm_operator.errors import InputError, SourceUnavailable
from vlm_operator.lifecycle.episode import episode_of

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
}
BY_NAME = {"model": {"path": "/models/own", "config": {"configMapRef": {"name": "own"}}}}
INLINE = {"model": {"id": "team/own", "config": {"inline": {"config.json": LLAMA}}}}


def config_map(version: str = "10", uid: str = "u", namespace: str = "a", **data: str) -> dict[str, Any]:
    metadata = {"name": "own", "namespace": namespace, "uid": uid, "resourceVersion": version}
    return {"kind": "ConfigMap", "metadata": metadata, "data": data}


def llama(**changes: Any) -> str:
    return json.dumps(LLAMA | changes)


class Watched(ModelConfigs):
    """Remembers the namespaces it was told of."""

    def __init__(self) -> None:
        self.told: list[str] = []
        super().__init__(self.told.append)


def test_only_a_change_of_the_data_makes_anybody_look() -> None:
    known = Watched()
    known.put(config_map("10", x="1"))
    known.put(config_map("11", x="1"))
    assert known.told == ["a"]
    known.put(config_map("12", x="2"))
    known.put(config_map("11", x="1"))
    assert known.told == ["a", "a"]
    found = known.find("a", "own")
    assert found is not None
    assert found.data == {"x": "2"}
    assert known.find("b", "own") is None


def test_one_that_was_deleted_is_gone_unless_it_is_another_by_now() -> None:
    known = Watched()
    known.put(config_map(uid="new"))
    known.drop(config_map(uid="old"))
    assert known.find("a", "own") is not None
    known.drop(config_map(uid="new"))
    assert known.find("a", "own") is None
    assert known.told == ["a", "a"]


@pytest.mark.parametrize(
    ("namespace", "uids", "version", "kept"),
    [
        pytest.param("a", set(), 10, False, id="not listed"),
        pytest.param(None, set(), 10, False, id="not listed anywhere"),
        pytest.param("a", {"u"}, 10, True, id="listed"),
        pytest.param("b", set(), 10, True, id="another namespace was listed"),
        pytest.param("a", set(), 9, True, id="newer than the listing"),
    ],
)
def test_a_listing_says_what_went(namespace: str | None, uids: set[str], version: int, kept: bool) -> None:
    known = Watched()
    known.put(config_map("10"))
    known.retain(namespace, uids, version)
    assert (known.find("a", "own") is not None) is kept
    assert known.told == (["a"] if kept else ["a", "a"])


def test_a_given_config_answers_for_an_id_and_for_a_path_and_no_source_is_asked() -> None:
    def asked(name: str, *, revision: str | None = None) -> Any:
        raise AssertionError(name)

    models, known = Models(asked), Watched()
    known.put(config_map(**{"config.json": llama(num_hidden_layers=3)}))
    of_path = models.ask(BY_NAME, config_map=known.find("a", "own")).facts
    of_id = models.ask(INLINE).facts
    assert (of_path and (of_path.model, of_path.text.layers)) == ("/models/own", 3)
    assert (of_id and (of_id.model, of_id.text.layers)) == ("team/own", 2)
    assert models.ask(INLINE).facts is of_id


def test_another_content_is_read_anew() -> None:
    models, known = Models(), Watched()
    for layers in (2, 5):
        known.put(config_map(str(layers), **{"config.json": llama(num_hidden_layers=layers)}))
        facts = models.ask(BY_NAME, config_map=known.find("a", "own")).facts
        assert facts is not None
        assert facts.text.layers == layers


def test_a_config_map_that_is_not_there_is_waited_for_and_the_words_say_what_to_do() -> None:
    error = Models().ask(BY_NAME).error
    assert isinstance(error, SourceUnavailable)
    assert "no ConfigMap own with the label vlm-operator.dev/model-config" in error.message
    assert "kubectl label configmap own vlm-operator.dev/model-config=true" in (error.hint or "")
    assert "modelConfigs.enabled" in (error.hint or "")


def test_a_config_map_that_holds_no_json_is_refused() -> None:
    known = Watched()
    known.put(config_map(**{"config.json": "architectures: []"}))
    error = Models().ask(BY_NAME, config_map=known.find("a", "own")).error
    assert isinstance(error, InputError)
    assert "ConfigMap own, config.json is not JSON" in error.message


def test_another_content_begins_another_episode_and_none_leaves_it_as_it_was() -> None:
    assert episode_of(BY_NAME, None, "one") != episode_of(BY_NAME, None, "two")
    assert episode_of(BY_NAME, None) == episode_of(BY_NAME, None, None)
