"""Start-up memory: the budget that leaves room for KV cache, term by term, with its bounds.

Belongs here: activation peak, non-torch memory, CUDA graphs, first check. Does not: choosing flags (``planning``).
Called by ``planning``.
"""
