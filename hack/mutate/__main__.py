"""``python hack/mutate [ROOM]... [--sample N]``: how many small faults put into a room does the unit floor notice?

A sample of mutants (one changed comparison, constant, condition, call, …) of each room is put, one by one, into a copy
of the checkout in a temporary folder; the room's own unit tests that call the changed function run against each. A
mutant dies if a test fails, the code cannot be imported, or the run takes many times as long. What survives is listed:
a fault that no test of the room would notice, or a change that is none.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from project import ROOT

# The project's own Python is running from here on, which has pytest.
# isort: split
from mutate.mutations import Mutant, modules, mutants
from mutate.reach import Reach, choose, read
from mutate.workers import Workers

PACKAGE: Final = Path("operator/vlm_operator")
ROOMS: Final = ("planning", "lifecycle", "capacity", "controller")
CACHE: Final = Path.home() / ".cache" / "vlm-operator" / "mutate"
OUTCOMES: Final = ("died", "timeout", "survived", "unreached")
CPU_SECONDS: Final = (15, 5)
"""Processor time that a run may take: so many seconds, and so many times what its tests took without a mutant."""


@dataclass(frozen=True)
class Result:
    """What became of one mutant: ``died``, ``timeout``, ``survived``, or ``unreached`` where no test calls it."""

    mutant: Mutant
    outcome: str


def reach(workers: Workers, room: str) -> list[Reach]:
    """What each test of a room calls; kept in the user's cache folder for as long as neither code nor tests change."""
    tests = f"tests/unit/{Path(room).parts[0]}"
    key = hashlib.sha256(tests.encode())
    for path in sorted([*(ROOT / "operator").rglob("*.py"), *(ROOT / tests).rglob("*.py")]):
        key.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    file = CACHE / f"{key.hexdigest()[:16]}.jsonl"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"finding out what each test of {tests} calls …", file=sys.stderr, flush=True)
        workers.ask({"record": str(file.with_suffix(".part")), "paths": [tests]})
        file.with_suffix(".part").rename(file)
    return read(file)


def judge(workers: Workers, reached: Sequence[Reach], mutant: Mutant, *, seconds: float) -> Result:
    """Run the tests that could notice one mutant."""
    tests, took = choose(reached, mutant.path, mutant.function, seconds=seconds)
    if not tests:
        return Result(mutant, "unreached")
    least, times = CPU_SECONDS
    answer = workers.ask(
        {
            "path": mutant.path,
            "source": mutant.apply((ROOT / mutant.path).read_bytes()).decode(),
            "tests": tests,
            "cpu_seconds": least + round(times * took),
        }
    )
    return Result(mutant, {"passed": "survived", "failed": "died"}.get(answer, answer))


def sample(room: str, count: int, seed: int, only: str) -> list[Mutant]:
    """So many mutants of a room, the same for the same seed and code."""
    found = [mutant for path in modules(ROOT / PACKAGE / room) for mutant in mutants(ROOT, path) if only in str(mutant)]
    return found if count >= len(found) else random.Random(seed).sample(found, count)


def told(results: Iterable[Result]) -> Iterator[Result]:
    """The results as they come; what lives is told on standard error."""
    for each in results:
        if each.outcome in {"survived", "unreached"}:
            print(f"{each.outcome}: {each.mutant}", file=sys.stderr, flush=True)
        yield each


def report(room: str, results: Sequence[Result]) -> float:
    """Print one line of figures; the share that died, in percent."""
    counted = {word: sum(result.outcome == word for result in results) for word in OUTCOMES}
    share = 100 * (counted["died"] + counted["timeout"]) / len(results) if results else 100.0
    row = " ".join(f"{counted[word]:>9}" for word in OUTCOMES)
    print(f"{room:<24} {len(results):>7} {row} {share:>7.1f} %", flush=True)
    return share


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=ROOMS, help="folders or modules of operator/vlm_operator")
    parser.add_argument("--sample", type=int, default=100, help="mutants of each room (100)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--only", default="", help="only mutants whose line (PATH:LINE: KIND: A -> B) contains this")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--seconds", type=float, default=30, help="tests of one mutant, in seconds without it (30)")
    parser.add_argument("--least", type=float, default=0, help="fail if a smaller share of a room dies, in percent")
    options = parser.parse_args()
    print(f"{'room':<24} {'mutants':>7} " + " ".join(f"{word:>9}" for word in OUTCOMES) + f" {'dead':>9}", flush=True)
    missed = False
    with tempfile.TemporaryDirectory(prefix="vlm-mutate-") as folder:
        workers = Workers(Path(folder), options.jobs)
        for room in options.rooms:
            reached = reach(workers, room)
            chosen = sample(room, options.sample, options.seed, options.only)
            with ThreadPoolExecutor(options.jobs) as pool:
                results = pool.map(partial(judge, workers, reached, seconds=options.seconds), chosen)
                missed |= report(room, list(told(results))) < options.least
        workers.stop()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
