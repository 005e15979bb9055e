"""A retune is told by every flag that it changes."""

from __future__ import annotations

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.lifecycle.command_changes import command_changes
from vlm_operator.planning.plan import Move

FRAMES = '{"video":{"num_frames":32}}'
LADDER = (Move((("media_io_kwargs", None, FRAMES),), 1, "32 frames are sampled from each video", True),)


@pytest.mark.parametrize(
    ("after", "ladder", "words"),
    [
        pytest.param(EngineSettings(), (), "the same flags on another GPU", id="no flag"),
        pytest.param(
            EngineSettings(media_io_kwargs=FRAMES),
            (),
            f"--media-io-kwargs default -> {FRAMES}",
            id="media options alone",
        ),
        pytest.param(
            EngineSettings(media_io_kwargs=FRAMES),
            LADDER,
            f"--media-io-kwargs default -> {FRAMES} (32 frames are sampled from each video)",
            id="with the price of the move",
        ),
        pytest.param(
            EngineSettings(max_num_seqs=4, enforce_eager=True),
            (),
            "--max-num-seqs default -> 4, --enforce-eager False -> True",
            id="several flags in the order of the command",
        ),
    ],
)
def test_words_of_a_retune(after: EngineSettings, ladder: tuple[Move, ...], words: str) -> None:
    assert command_changes(EngineSettings(), after, ladder) == words
