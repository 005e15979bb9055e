"""The operator: one level-triggered ``reconcile(namespace, name)`` behind watches of its own.

Belongs here: gather (read the world), apply (write it), queue, metrics, health. Does not: decisions (``lifecycle``).
Called by the operator's Deployment.
"""
