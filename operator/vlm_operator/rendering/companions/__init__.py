"""Objects that stand beside a model server on request: autoscaler, disruption budget, inference pool and route.

Belongs here: one file a kind, and what they need to know of the server (``subject``). Does not: the server itself.
"""

from vlm_operator.rendering.companions.companion import COMPANIONS, companions
from vlm_operator.rendering.companions.subject import Subject, SubjectOptions, subject_of

__all__ = ["COMPANIONS", "Subject", "SubjectOptions", "companions", "subject_of"]
