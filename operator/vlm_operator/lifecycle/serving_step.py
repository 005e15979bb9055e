"""One step to other flags after a server ran out of memory in service; a server that served is never stopped for it.

The step is the planner's: at a utilisation lower by what was missing, or, where that is pinned, with the mildest other
change. Where none is left within the user's bounds, the same command is started again: it has served, and may for long.
"""

from __future__ import annotations

from collections.abc import Iterable

from vlm_operator.lifecycle.history import History, fingerprints
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.situation import Pod, StartupKey
from vlm_operator.lifecycle.startup_outcome import CONTAINER, ended_run


def settled_runs(pods: Iterable[Pod], history: History) -> frozenset[StartupKey]:
    """Runs that are recorded, but for one that served and has ended: its log says whether it ran out of memory."""
    states = ((pod, status) for pod in pods if (status := pod.container(CONTAINER)) is not None and not status.ready)
    ended = {run[0] for pod, status in states if (run := ended_run(pod, status)) is not None}
    return history.handled - (history.served & ended)


def no_step(planner: Planner, history: History, planned: Planned) -> str | None:
    """Why no other command may be tried, in words; None where one may.

    Args:
        history: with the failure in it.
        planned: the command that ran out of memory.
    """
    allowed, tried = planner.spec.retune.max_attempts, history.episode(planned.episode)
    if len(tried.attempts) > allowed:
        return f"retune.maxAttempts is {allowed}, and {len(tried.attempts) - 1} changed commands were tried"
    made = planner.fresh(history, planned.offer)
    if made is None or made.plan is None:
        return "no GPU matches any more"
    if not made.plan.fits:
        return f"no change of a flag that is not pinned leaves more memory ({made.plan.hint or made.plan.message})"
    if planner.server(made).fingerprint in fingerprints(tried.failed()):
        return "the best remaining plan is a command that ran out of memory before"
    return None
