"""What a described item is where only its number is given, and what a request is where only its items are."""

from __future__ import annotations

import pytest

from vlm_operator.engine.version import DEFAULT
from vlm_operator.planning.intent import Audios, Images, Intent, Videos, Workload


@pytest.mark.parametrize(
    ("counted", "whole"),
    [
        pytest.param(Images(2), Images(2, 1920, 1080), id="an image is Full HD"),
        pytest.param(Videos(2), Videos(2, 60.0, 1280, 720, 30.0), id="a video is a minute in 720p, 30 frames a second"),
        pytest.param(Audios(2), Audios(2, 30.0), id="a sound is half a minute"),
        pytest.param(Workload(), Workload(1024, 1024), id="a request is 1,024 tokens, and so is its answer"),
        pytest.param(
            Intent(),
            Intent(version=DEFAULT, gpus_available=8, nodes=1, reserve_bytes=0, allow_fp8_kv_cache=True),
            id="a server stands on one node of eight GPUs, and may use all of them",
        ),
    ],
)
def test_what_is_not_said_is(counted: object, whole: object) -> None:
    assert counted == whole


def test_nothing_is_asked_for_that_nobody_said() -> None:
    quiet = Intent()
    assert (quiet.goal, quiet.workload, quiet.gpu_count, quiet.nodes_available) == (None, None, None, None)
    assert (quiet.minimum_context, quiet.maximum_context, quiet.cpu_kv_cache_bytes) == (None, None, None)
    assert (quiet.pinned, quiet.uncounted_flags, quiet.is_prediction) == (frozenset(), (), False)
