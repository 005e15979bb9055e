"""Releases in which vLLM's counting of multimodal items changed, by what they count."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

TWO_FRAME_DUMMY_SINCE: Final = EngineVersion(0, 15)
"""First release read whose start-up takes a two-frame video for the largest; before, it counts frames."""

TEXT_FACTOR_UNTIL: Final = EngineVersion(0, 13)
"""Releases before this one multiply the largest video with timestamps by 12.5 for its text (0.11.2, 0.12.0)."""

FACTORED_SIZE_SINCE: Final = EngineVersion(0, 13)
"""First release (not 0.12.0) that factors the largest size into sides; before, a huge square is resized."""

OUTER_MARKS_SINCE: Final = EngineVersion(0, 26)
"""First release read that keeps the chat template's marks around a video with timestamps (0.25.1 replaces them)."""

VIDEO_PIXEL_KNOBS_SINCE: Final = EngineVersion(0, 18)
"""First release read that folds ``min_pixels`` and ``max_pixels`` into the size of videos with timestamps."""

VIDEO_WINS_TIES_SINCE: Final = EngineVersion(0, 16)
"""Through 0.15 the first of equally large modalities is profiled, later the last by name."""

V2_RUNNER_PROFILES_SINCE: Final = EngineVersion(0, 27)
"""The V2 model runner did not profile the encoder before (vLLM #47985; missing in 0.22.1, 0.25, 0.26)."""

KNOB_BREAKS_VIDEO_SINCE: Final = EngineVersion(0, 19)
"""First release read that hands ``max_dynamic_patch`` to a video processor that takes none (not 0.18.1)."""

VOLUME_ITEMS_SINCE: Final = EngineVersion(0, 25)
"""First release read with today's rules for these largest items; 0.22.1 has others."""

IMAGES_UPRIGHT_SINCE: Final = EngineVersion(0, 24)
"""First release read that turns images as EXIF says (``multimodal/image.py``, ``normalize_image``; 0.23 does not)."""
