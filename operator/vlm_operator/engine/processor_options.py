"""Spellings of ``--mm-processor-kwargs`` that a release honours."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

SCOPES_SINCE: Final = EngineVersion(0, 29)
"""First release whose start-up reads ``images_kwargs`` and ``videos_kwargs`` (``multimodal/processing/context.py``)."""

FLAT_SIZE_SINCE: Final = EngineVersion(0, 18)
"""First release read whose counts follow a flat ``size`` (``_get_vision_info`` of the models' processing classes)."""
