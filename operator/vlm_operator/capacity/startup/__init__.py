"""Start-up memory: the budget that leaves room for KV cache, term by term, with its bounds.

Belongs here: activation peak, non-torch memory, CUDA graphs, first check. Does not: choosing flags (``planning``).
Called by ``planning``.
"""

from vlm_operator.capacity.startup.budget import Budget, Term
from vlm_operator.capacity.startup.first_check import FirstCheck, first_check
from vlm_operator.capacity.startup.model import StartupTerms, stage_terms, startup_budget, startup_terms

__all__ = [
    "Budget",
    "FirstCheck",
    "StartupTerms",
    "Term",
    "first_check",
    "stage_terms",
    "startup_budget",
    "startup_terms",
]
