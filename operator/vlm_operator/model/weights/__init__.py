"""Read the parameters vLLM builds for a model from its ``config.json``, family by family.

Belongs here: shapes and names of parameters and buffers as vLLM lays them out, before sharding; how a checkpoint is
quantised. Does not: bytes (``capacity.weights``), file access (``sources``). Called by ``model.reader``.
"""

from vlm_operator.model.weights.quantization import read_quantization
from vlm_operator.model.weights.reading import read_weight_modules

__all__ = ["read_quantization", "read_weight_modules"]
