"""Dry runs in the cluster: what vLLM is asked before a GPU is taken, how its Job went, and what its answer is used for.

Belongs here: pure functions from Jobs, pods, logs and ``EngineFacts`` to what should be. Does not: the program itself
(``dryrun``), the manifests (``rendering``).
"""
