"""A dry run on an API server: its Job and ConfigMap, what the watches bring of it, and what is read from its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from api_server import FakeApiServer, Request, serving

from dry_run_world import DryRunWorld, recorded
from vlm_operator.api.engine_facts import manifest_of
from vlm_operator.controller.api_errors import Outdated
from vlm_operator.controller.apply import Applier
from vlm_operator.controller.cache import DryRunPods
from vlm_operator.controller.gather import gather
from vlm_operator.controller.models import Models
from vlm_operator.controller.queue import Key
from vlm_operator.controller.watches import World
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine_facts import read_report
from vlm_operator.engine_facts.document import facts_of
from vlm_operator.errors import ModelNotFound, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.lifecycle.decision import ChildReference, Decision
from vlm_operator.lifecycle.situation import Rejection, Situation, Target
from vlm_operator.rendering import PodTemplatePolicy

NOW = datetime(2026, 11, 30, tzinfo=UTC)
KEY = Key("vision", "model")
JOBS = "/apis/batch/v1/namespaces/vision/jobs"
CONFIG_MAPS = "/api/v1/namespaces/vision/configmaps"
SPEC: dict[str, Any] = {"model": {"path": "/models/new"}}
TARGET = Target("vision", "model", "uid", 1, "1", SPEC)
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dry"}, "data": {"__main__.py": ""}}
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "dry"}, "spec": {}}
ASKING = Decision(dry_run=(CONFIG_MAP, JOB))
SITUATION = Situation(TARGET, NOW)
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288,
    "vocab_size": 151936, "max_position_embeddings": 40960, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip


class ApiServer(FakeApiServer):
    """Gives each Job a UID, and answers 409 for what exists."""

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.method == "POST" and not self.failures:
            path = f"{request.path}/{request.body['metadata']['name']}"
            if path in self.objects:
                self.requests.append(request)
                return 409, {"reason": "AlreadyExists", "message": "exists"}, {}
            self.requests.append(request)
            metadata = {"uid": f"uid-{len(self.objects)}", "resourceVersion": "1", **request.body["metadata"]}
            self.objects[path] = {**request.body, "metadata": metadata}
            return 201, self.objects[path], {}
        return super().answer(request)


def apply(server: ApiServer, decision: Decision = ASKING, situation: Situation = SITUATION) -> Rejection | None:
    with serving(server) as client:
        return Applier(client, "pod").apply(situation, decision)


def test_the_job_belongs_to_the_vlmdeployment_and_the_config_map_to_the_job() -> None:
    server = ApiServer()
    assert apply(server) is None
    job, config_map = server.objects[f"{JOBS}/dry"], server.objects[f"{CONFIG_MAPS}/dry"]
    assert [owner["uid"] for owner in job["metadata"]["ownerReferences"]] == ["uid"]
    assert [owner["uid"] for owner in config_map["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]
    assert "blockOwnerDeletion" not in config_map["metadata"]["ownerReferences"][0], "that would need another right"


def test_after_a_kill_between_the_two_the_config_map_is_made() -> None:
    server = ApiServer()
    live = {**JOB, "metadata": {"name": "dry", "uid": "job"}}
    assert apply(server, situation=replace(SITUATION, dry_run_jobs=(live,))) is None
    assert list(server.objects) == [f"{CONFIG_MAPS}/dry"]


def test_what_was_made_is_not_sent_again() -> None:
    server = ApiServer()
    with serving(server) as client:
        applier = Applier(client, "pod")
        applier.apply(SITUATION, ASKING)
        situation = replace(SITUATION, dry_run_jobs=(server.objects[f"{JOBS}/dry"],))
        before = len(server.requests)
        for _ in range(3):
            applier.apply(situation, ASKING)
    assert len(server.requests) == before


def test_a_config_map_that_exists_is_left() -> None:
    live = {**JOB, "metadata": {"name": "dry", "uid": "job"}}
    server = ApiServer(objects={f"{CONFIG_MAPS}/dry": {**CONFIG_MAP}})
    assert apply(server, situation=replace(SITUATION, dry_run_jobs=(live,))) is None


def test_a_job_of_that_name_that_the_watch_has_not_brought_is_looked_at_again() -> None:
    with pytest.raises(Outdated):
        apply(ApiServer(objects={f"{JOBS}/dry": {**JOB}}))


def test_a_job_that_is_refused_is_told_and_not_sent_again_at_once() -> None:
    server = ApiServer(failures=[(403, {"reason": "Forbidden", "message": "exceeded quota"}, {})])
    with serving(server) as client:
        applier = Applier(client, "pod")
        rejection = applier.apply(SITUATION, ASKING)
        assert rejection is not None
        assert (rejection.kind, rejection.transient) == ("Job", False)
        assert "exceeded quota" in rejection.message
        again = applier.apply(replace(SITUATION, rejection=rejection), ASKING)
    assert again == rejection
    assert len(server.requests) == 1


def test_a_job_that_has_answered_is_deleted_with_its_pods() -> None:
    path = f"{JOBS}/dry"
    server = ApiServer(objects={path: {**JOB}})
    apply(server, Decision(delete=(ChildReference("batch/v1", "Job", "dry", "job"),)))
    (request,) = server.writes
    assert (request.method, request.path) == ("DELETE", path)
    assert request.body["propagationPolicy"] == "Background"
    assert request.body["preconditions"] == {"uid": "job"}


# --- what the watches bring


def watched() -> World:
    world = World(lambda keys, delay: None)
    root = {"name": "model", "namespace": "vision", "uid": "uid", "resourceVersion": "1", "generation": 1}
    world.cache.put({"kind": "VLMDeployment", "metadata": root, "spec": SPEC})
    return world


def named(name: str, uid: str, owner: str, **labels: str) -> dict[str, Any]:
    owners = [{"uid": owner, "controller": True}]
    metadata = {"name": name, "namespace": "vision", "uid": uid, "resourceVersion": "2", "ownerReferences": owners}
    return {**metadata, "creationTimestamp": "2026-11-30T00:00:00Z", "labels": labels}


def seen(world: World, models: Models | None = None) -> Situation:
    found = gather(world, models or Models(), KEY, policy=PodTemplatePolicy.RESTRICTED, rejection=None, now=NOW)
    assert found is not None
    return found


OURS = {"vlm-operator.dev/dry-run-of": "model"}


def test_jobs_and_their_pods_are_seen_apart_from_the_servers() -> None:
    world = watched()
    world.cache.put({"kind": "Job", "metadata": named("dry", "job", "uid", **OURS), "spec": {}})
    world.cache.put({"kind": "Job", "metadata": named("theirs", "job-2", "another", **OURS), "spec": {}})
    pod = {"kind": "Pod", "metadata": named("dry-x", "pod", "job", **OURS), "spec": {"containers": []}}
    DryRunPods(world.cache).put(pod)
    situation = seen(world)
    assert [job["metadata"]["name"] for job in situation.dry_run_jobs] == ["dry"]
    assert [(each.name, each.owner_uid) for each in situation.dry_run_pods] == [("dry-x", "job")]
    assert situation.pods == ()
    assert "__main__.py" in situation.dry_run_program
    DryRunPods(world.cache).drop(pod)
    assert seen(world).dry_run_pods == ()


def test_a_listing_of_one_kind_of_pods_does_not_remove_the_other() -> None:
    world = watched()
    server = {"vlm-operator.dev/vlmdeployment": "model"}
    world.cache.put({"kind": "Pod", "metadata": named("model-x", "p", "rs", **server), "spec": {"containers": []}})
    DryRunPods(world.cache).retain(None, set(), 99)
    assert [pod.name for pod in seen(world).pods] == ["model-x"]


# --- what the answer says of the model


def engine_facts(files: dict[str, Any], **more: Any) -> dict[str, Any]:
    report = read_report(recorded(modelFiles=files))
    settings = {"image": "vllm/vllm-openai:v0.33.0", "namespace": "vision", "place": place(), **more}
    found = manifest_of(facts_of("/models/new", None, find_gpu("L4"), EngineSettings(), report, **settings))
    return {**found, "metadata": {**found["metadata"], "uid": "facts", "resourceVersion": "7"}}


def place() -> str:
    from vlm_operator.api.base import parse
    from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
    from vlm_operator.lifecycle.dry_run.subject import place_of

    return place_of(parse(VLMDeploymentSpec, SPEC, where="spec"))


def test_the_config_that_a_dry_run_read_gives_the_facts_of_a_path() -> None:
    world = watched()
    world.cache.put(engine_facts({"config.json": CONFIG}))
    situation = seen(world)
    assert situation.model is not None
    assert (situation.model.model, situation.model.architecture) == ("/models/new", "Qwen3ForCausalLM")
    assert situation.model_error is None
    assert len(situation.engine_facts) == 1


def test_the_config_is_read_once_for_each_version_of_the_object() -> None:
    models, item = Models(), engine_facts({"config.json": CONFIG})
    first, second = (models.ask(SPEC, (item,), "vision") for _ in range(2))
    assert first.facts is second.facts
    changed = {**item, "metadata": {**item["metadata"], "resourceVersion": "8"}}
    assert models.ask(SPEC, (changed,), "vision").facts is not first.facts


@pytest.mark.parametrize(
    ("files", "more"),
    [
        pytest.param({}, {}, id="no file"),
        pytest.param({"config.json": {**CONFIG, "architectures": ["NeverHeardOf"]}}, {}, id="a family nobody knows"),
        pytest.param({"config.json": {"text_config": 5}}, {}, id="a config of nonsense"),
        pytest.param({"config.json": CONFIG, "preprocessor_config.json": []}, {}, id="a list for a file"),
        pytest.param({"config.json": CONFIG}, {"namespace": "other"}, id="facts of another namespace"),
        pytest.param({"config.json": CONFIG}, {"place": "0" * 16}, id="facts of another volume"),
        pytest.param({"config.json": CONFIG}, {"hf_overrides": '{"a":1}'}, id="facts with fields replaced"),
    ],
)
def test_what_cannot_be_read_leaves_the_model_unknown(files: dict[str, Any], more: dict[str, Any]) -> None:
    answer = Models().ask(SPEC, (engine_facts(files, **more),), "vision")
    if answer.facts is None:
        assert isinstance(answer.error, UnknownFact | Exception)
    else:
        assert files.get("preprocessor_config.json") == []


def test_a_model_that_the_operator_may_not_read_is_known_by_the_files_that_the_pod_read() -> None:
    def source(name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None) -> Any:
        raise ModelNotFound("gated")

    spec = {"model": {"id": "org/new"}}
    report = read_report(recorded(modelFiles={"config.json": CONFIG}))
    found = manifest_of(
        facts_of("org/new", None, find_gpu("L4"), EngineSettings(), report, namespace="vision",
                 image="vllm/vllm-openai:v0.33.0")
    )  # fmt: skip
    answer = Models(source).ask(spec, (found,), "vision")
    assert answer.facts is not None
    assert answer.facts.model == "org/new"
    assert isinstance(Models(source).ask(spec).error, ModelNotFound)


def test_the_config_that_a_dry_run_read_is_changed_as_the_server_changes_it() -> None:
    spec = {**SPEC, "engine": {"extraArgs": ["--hf-overrides.max_position_embeddings", "512"]}}
    item = engine_facts({"config.json": CONFIG}, hf_overrides='{"max_position_embeddings":512}')
    answer = Models().ask(spec, (item,), "vision")
    assert answer.facts is not None
    assert answer.facts.derived_max_model_len == 512
    assert answer.facts.hf_overrides == '{"max_position_embeddings":512}'
    assert Models().ask(SPEC, (item,), "vision").facts is None


def test_the_world_of_the_tests_makes_what_the_operator_makes() -> None:
    world = DryRunWorld()
    decision = world.reconcile()
    assert decision.dry_run is not None
    assert apply(ApiServer(), Decision(dry_run=decision.dry_run)) is None
