"""From intent and facts to a plan: chosen flags, budget, verdict and why; the ladder of moves.

Belongs here: every choice of a flag. Does not: memory arithmetic (``capacity``), Kubernetes objects (``rendering``).
Called by ``lifecycle``, ``vlmctl plan`` and ``vlmctl render``.
"""
