"""Multimodal options that a release accepts without effect; the plan names them."""

from __future__ import annotations

from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import OvisResize, RowBreaks, SmartResize, WindowPatches

_LOADER_FPS_ALONE = "num_frames"


def ineffective(request: Request) -> tuple[str, ...]:
    """One sentence for each given option that changes no count of this family."""
    processor = request.facts.processor
    given = {**request.scoped("image"), **request.scoped("video")}
    said = []
    if isinstance(processor, RowBreaks) and not processor.size_knob and "size" in given:
        said.append("mm-processor-kwargs.size changes no count of this format: vLLM counts by the config's image_size")
    if isinstance(processor, WindowPatches) and "enable_patch" in given:
        said.append("mm-processor-kwargs.enable_patch changes no count of Step3")
    if isinstance(processor, OvisResize) and given.keys() & {"max_pixels", "min_pixels"}:
        said.append("mm-processor-kwargs.max_pixels and min_pixels change no count of Ovis2.5")
    if isinstance(processor, SmartResize) and "fps" in given:
        said.append("mm-processor-kwargs.fps changes nothing for a video that vLLM loads: use --media-io-kwargs")
    return tuple(said)
