"""The node agent: what NVML says of a node's GPUs, published for the planner.

Belongs here: NVML calls and the node annotation they become. Does not: interpretation (``gpu``).
Called by the agent's DaemonSet.
"""
