"""``python -m dryrun [REQUEST] [--output FILE]``: run a request (JSON; - is standard input), write the report as JSON.

Exit code 0 wherever there is a report, whatever it says; 2 for a request that cannot be understood. What vLLM prints
goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    from .request import BadRequest, Request

    parser = argparse.ArgumentParser(prog="dryrun", description="Let vLLM load and profile a model without a GPU.")
    parser.add_argument("request", nargs="?", default="-", help="JSON file; - is standard input")
    parser.add_argument("--output", help="write the report to this file instead of standard output")
    options = parser.parse_args(arguments)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        request = Request.read(_document(options.request))
    except (BadRequest, OSError, json.JSONDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = json.dumps(_run(request), indent=2, sort_keys=True) + "\n"
    if options.output:
        with open(options.output, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        with os.fdopen(out, "w", encoding="utf-8") as stream:
            stream.write(text)
    return 0


def _document(path: str) -> Any:
    if path == "-":
        return json.load(sys.stdin)
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def _run(request: Any) -> dict[str, Any]:
    from .environment import prepare
    from .failure import failure
    from .ranks import combined, in_child, simulated_ranks

    started = time.monotonic()
    prepare()
    try:
        from .report import run_rank, version
        from .simulation import install

        device = install(request.gpu)
    except BaseException as error:
        return {"error": failure("import", error), "seconds": round(time.monotonic() - started, 2)}
    imported = round(time.monotonic() - started, 2)
    answers = []
    for rank in simulated_ranks(request.tensor_parallel_size):
        answer = in_child(partial(run_rank, request, device, rank))
        if "died" in answer:
            died = RuntimeError(f"the process of rank {rank} ended: {answer['died']}")
            answer = {"rank": rank, "vllmVersion": version(), "error": failure("died", died)}
            answer["error"]["simulationLimit"] = True
        answers.append(answer)
    report = combined(answers)
    report["importSeconds"], report["seconds"] = imported, round(time.monotonic() - started, 2)
    return report


if __name__ == "__main__":
    sys.exit(main())
