"""From a plan to manifests: Deployment, Service and what else a model server needs.

Belongs here: templates and the strategic merge of ``podTemplate``. Does not: applying them (``controller``).
Called by ``lifecycle`` and ``vlmctl render``: the same bytes.
"""
