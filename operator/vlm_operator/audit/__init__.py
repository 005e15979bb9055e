"""Audit a cluster: which models fit which GPUs, which servers waste memory, which would not start again.

Belongs here: reading manifests of pods and nodes that others wrote, checks of running servers, the fit matrix, and the
report's forms. Does not: reading files or a cluster (``cli``), and any arithmetic of its own: plans come from
``planning``. Called by ``cli.audit``.
"""
