"""What does a release allocate while it loads a model, beside the model's parameters?"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

_ONE_ROW_SINCE: Final = EngineVersion(0, 30)
"""Four rows a position in 0.29.0, one in 0.32.0; the releases between were not read."""

_ONE_ROW: Final = frozenset({"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"})


def multimodal_rotary_rows(model_type: str, version: EngineVersion) -> int:
    """Rows per position of the table of multimodal rotary embeddings, as a multiple of that of 0.32.

    Source (vLLM): ``layers/rotary_embedding/mrope.py`` (0.12.0 to 0.29.0: four rows a position for every family) and
    ``models/qwen3_vl.py: mrope_positions_factor`` (0.32.0: one for these families). Two published start-ups of
    Qwen3-VL-30B-A3B on 0.11 and 0.12 loaded 0.19 GiB more than parameters and DeepStack buffers: three rows.
    """
    return 4 if model_type in _ONE_ROW and version < _ONE_ROW_SINCE else 1
