"""``python -m dryrun [REQUEST] [--output FILE]``: run a request (JSON; - is standard input), write the report as JSON.

Exit code 0 wherever there is a report, whatever it says; 2 for a request that cannot be understood. What vLLM prints
goes to standard error. In a container the report is the termination message (``--termination-message``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from functools import partial
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    from .failure import failure
    from .request import BadRequest, NoModel, Request

    parser = argparse.ArgumentParser(prog="dryrun", description="Let vLLM load and profile a model without a GPU.")
    parser.add_argument("request", nargs="?", default="-", help="JSON file; - is standard input")
    parser.add_argument("--output", help="write the report to this file instead of standard output")
    parser.add_argument(
        "--termination-message",
        metavar="FILE",
        help="write the report for the kubelet: to this file, or to standard output where it is too long for it",
    )
    options = parser.parse_args(arguments)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        report = _run(_with_files(Request.read(_document(options.request))))
    except NoModel as error:
        if not options.termination_message:
            print(f"error: {error}", file=sys.stderr)
            return 2
        report = {"error": failure("model", error) | {"simulationLimit": False}}
    except (BadRequest, OSError, json.JSONDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _write(report, options, out)
    return 0


def _write(report: dict[str, Any], options: argparse.Namespace, out: int) -> None:
    from .transport import deliver

    if options.termination_message:
        with os.fdopen(out, "w", encoding="utf-8") as log:
            deliver(report, options.termination_message, log)
        return
    text = json.dumps(report, indent=2, sort_keys=True) + "\n"
    if options.output:
        with open(options.output, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        with os.fdopen(out, "w", encoding="utf-8") as stream:
            stream.write(text)


def _document(path: str) -> Any:
    if path == "-":
        return json.load(sys.stdin)
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def _with_files(request: Any) -> Any:
    """The request with the folder of its repository's files, fetched in a child: what follows knows no network.

    Raises:
        NoModel: they could not be had; the exception of ``huggingface_hub`` is named.
    """
    from .model_files import repository_folder
    from .ranks import in_child
    from .request import NoModel, require_config

    if request.repository is None:
        return request

    def fetched() -> dict[str, Any]:
        try:
            return {"folder": repository_folder(request.repository, request.revision)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    answer = in_child(fetched)
    if "folder" not in answer:
        raise NoModel(answer.get("error") or f"the process that fetched the files ended: {answer.get('died')}")
    require_config(answer["folder"])
    return dataclasses.replace(request, model=answer["folder"])


def _run(request: Any) -> dict[str, Any]:
    from .environment import prepare
    from .failure import failure
    from .model_files import reported_files
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
    report["modelFiles"] = reported_files(request.model)
    report["importSeconds"], report["seconds"] = imported, round(time.monotonic() - started, 2)
    return report


if __name__ == "__main__":
    sys.exit(main())
