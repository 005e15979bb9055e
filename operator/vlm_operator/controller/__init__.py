"""The operator: one level-triggered ``reconcile(namespace, name)`` behind kopf's watches.

Belongs here: gather (read the world), apply (write it), queue, metrics, health. Does not: decisions (``lifecycle``).
Called by the operator's Deployment.
"""
