"""The Kubernetes API of this project: ``VLMDeployment`` and ``StartupObservation`` as pydantic models.

Belongs here: fields, descriptions and validation, from which the CRDs are generated. Does not: API calls, decisions.
Called by ``rendering``, ``lifecycle`` and the edges.
"""
