"""Releases that refuse a batch (``--max-num-batched-tokens``) below what they do not cut."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

_ITEMS_WHOLE_SINCE: Final = EngineVersion(0, 13)
"""First release that forces ``--disable-chunked-mm-input`` on models whose images attend both ways
(``platforms/cuda.py: CudaPlatformBase.check_and_update_config``)."""

_STATE_BLOCK_WHOLE_SINCE: Final = EngineVersion(0, 17)
_STATE_BLOCK_CUT_SINCE: Final = EngineVersion(0, 27)
"""From 0.17.1 to 0.26.0 a batch holds a whole block where recurrent states are cached by block (``config/vllm.py:
VllmConfig.validate_block_size``, in ``__post_init__`` before 0.19); not in 0.16.0 and 0.27.1."""


def reads_items_whole(version: EngineVersion) -> bool:
    """Whether an item that attends both ways must fit one batch."""
    return version >= _ITEMS_WHOLE_SINCE


def reads_state_blocks_whole(version: EngineVersion) -> bool:
    """Whether a batch must hold a whole block where states are cached at the ends of blocks."""
    return _STATE_BLOCK_WHOLE_SINCE <= version < _STATE_BLOCK_CUT_SINCE
