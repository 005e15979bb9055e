"""From a situation to a decision: which children, conditions, events and attempts should be.

Belongs here: the pure state machine of one VLMDeployment. Does not: reading or writing the cluster (``controller``).
Called by ``controller``.
"""
