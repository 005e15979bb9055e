"""KV cache: which groups vLLM forms, what a block costs, what a request needs, what a container holds.

Belongs here: the arithmetic of vLLM's KV-cache manager. Does not: how much memory there is (``capacity.startup``).
Called by ``planning`` and ``vlmctl capacity``.
"""

from vlm_operator.capacity.kv.layout import KVGroup, KVLayout
from vlm_operator.capacity.kv.plan import derived_max_model_len, kv_layout, stage_layouts

__all__ = ["KVGroup", "KVLayout", "derived_max_model_len", "kv_layout", "stage_layouts"]
