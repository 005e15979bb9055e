"""The status says what a new pod downloads again, and whether the volume that was chosen is large enough."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle_world import MODEL, World
from vlm_operator.lifecycle.decide import decide

WEIGHTS = "16.3"


def status_of(cache: dict[str, Any] | None) -> dict[str, Any]:
    world = World(spec={"model": {"id": MODEL, **({"cache": cache} if cache else {})}})
    world.settle()
    found: dict[str, Any] = world.status["modelCache"]
    return found


@pytest.mark.parametrize(
    ("cache", "volume", "words"),
    [
        pytest.param(None, "EmptyDir", f"downloads {WEIGHTS}", id="the default names the download"),
        pytest.param({"emptyDir": {}}, "EmptyDir", "model.cache.size: ", id="and what would keep it"),
        pytest.param({"claim": "models"}, "Claim", "never deletes it", id="a claim of the user's"),
        pytest.param({"claim": "models", "readOnly": True}, "Claim", "nothing is downloaded", id="read-only"),
        pytest.param({"size": "100Gi"}, "CreatedClaim", "deleted with the VLMDeployment", id="created"),
        pytest.param({"size": "10Gi"}, "CreatedClaim", "is 10.00 GiB, and the weights take", id="too small a claim"),
        pytest.param({"size": "10Gi"}, "CreatedClaim", "set it to 21Gi or more", id="and what would be enough"),
        pytest.param({"emptyDir": {"sizeLimit": "10Gi"}}, "EmptyDir", "emptyDir.sizeLimit is 10.00 GiB", id="a limit"),
    ],
)
def test_the_status_says_what_a_retune_costs(cache: dict[str, Any] | None, volume: str, words: str) -> None:
    status = status_of(cache)
    assert status["volume"] == volume
    assert words in status["message"]
    assert 16 * 2**30 < status["downloadBytes"] < 17 * 2**30


def test_a_retune_keeps_the_claim_and_nothing_is_written_at_rest() -> None:
    world = World(spec={"model": {"id": MODEL, "cache": {"size": "100Gi"}}}, error_bytes=10 * 2**30)
    world.settle()
    assert world.status["attemptsMade"] > 1, "the start-up failed and was mended"
    decision = decide(world.situation())
    claims = [child for child in decision.children if child["kind"] == "PersistentVolumeClaim"]
    assert [claim["metadata"]["name"] for claim in claims] == [f"{world.situation().target.name}-model-cache"]
    (mounted,) = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in world.deployment["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "cache"
    ]
    assert mounted == claims[0]["metadata"]["name"]
    assert decision.status == world.status


def test_a_restricted_operator_refuses_a_directory_of_the_node() -> None:
    world = World(spec={"model": {"id": MODEL, "cache": {"hostPath": "/srv/models"}}})
    assert world.settle() == "Stalled"
    assert "spec.model.cache.hostPath" in world.condition("Planned")["message"]
    assert world.deployment is None
