"""The model as vLLM serves it: the element type and the quantisation that flags put in the place of the config's."""

from __future__ import annotations

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import ModelFacts


def as_served(model: ModelFacts, settings: EngineSettings) -> ModelFacts:
    """``model`` with ``--dtype`` and ``--quantization`` applied; the model itself where they change nothing.

    Raises:
        UnknownFact: what the flag makes of this model is not known.
    """
    if settings.dtype == "auto" and settings.quantization is None:
        return model
    present = model.quantization.method if model.quantization is not None else None
    if settings.quantization not in (None, present):
        raise UnknownFact(
            f"quantization: what {settings.quantization} makes of {model.model} is not counted",
            field="quantization",
            hint="leave --quantization unset, or name a checkpoint that is quantised already",
        )
    if settings.dtype not in ("auto", model.dtype):
        raise UnknownFact(
            f"dtype: the start-up memory of {model.model} in {settings.dtype} is not counted",
            field="dtype",
            hint=f"leave --dtype at auto, which is {model.dtype}",
        )
    return model
