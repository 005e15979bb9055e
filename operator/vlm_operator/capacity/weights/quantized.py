"""How many bytes does a quantised matrix take? (methods follow)"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.capacity.weights.ranks import Shape
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Linear, Quantization


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes of matrices under one quantisation."""

    quantization: Quantization
    element_bytes: int
    version: EngineVersion

    def bytes_of(self, linear: Linear, shape: Shape) -> int:
        """Bytes of these matrices on a rank that holds every layer."""
        raise UnknownFact(
            f"quantization_config.quant_method: {self.quantization.method!r} is not known",
            field="quantization_config.quant_method",
        )
