"""What a GPU is: its memory as CUDA sees it, its compute capability, its MIG profiles.

Belongs here: the product catalogue and pure readers of node labels. Does not: NVML or API calls (edges).
Called by ``capacity`` and ``planning``.
"""
