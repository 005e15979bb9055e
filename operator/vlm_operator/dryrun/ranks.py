"""Each tensor-parallel rank in a process of its own, forked after vLLM was imported once."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns in a forked child; ``{"died": …}`` where the child ended without an answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        code = os.waitstatus_to_exitcode(status)
        return {"died": f"killed by signal {-code}" if code < 0 else f"exit code {code}"}
    found: dict[str, Any] = json.loads(answer)
    return found


def _answer(work: Callable[[], dict[str, Any]], writing: int) -> None:
    """Run the work in the child, send the answer, end. Nothing of the parent's clean-up runs."""
    code = 1
    try:
        answer = json.dumps(work()).encode()
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def simulated_ranks(tensor_parallel_size: int) -> tuple[int, ...]:
    """The first and the last rank: embeddings, heads and padding differ only there.

    >>> simulated_ranks(1), simulated_ranks(4)
    ((0,), (0, 3))
    """
    return (0,) if tensor_parallel_size <= 1 else (0, tensor_parallel_size - 1)


def combined(ranks: list[dict[str, Any]]) -> dict[str, Any]:
    """One report of several ranks': the first one's, with the largest weights and moments of any."""
    answer = dict(ranks[0])
    failed = next((each for each in ranks if each.get("error")), None)
    if failed is not None:
        answer["error"] = failed["error"]
    sizes = [each["weightsBytes"] for each in ranks if "weightsBytes" in each]
    if sizes:
        answer["weightsBytes"] = max(sizes)
    moments = [each["moments"] for each in ranks if "moments" in each]
    if moments:
        answer["moments"] = {
            name: max((each[name] for each in moments if each[name] is not None), default=None) for name in moments[0]
        }
    answer["ranks"] = [
        {name: each.get(name) for name in ("rank", "weightsBytes", "moments", "seconds", "peakResidentBytes")}
        for each in ranks
    ]
    del answer["rank"]
    return answer
