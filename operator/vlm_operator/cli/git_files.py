"""Files and folders as they were at a revision of their git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from vlm_operator.cli.manifest_files import SUFFIXES
from vlm_operator.errors import InputError

GIT_SECONDS: Final = 60


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"against: git: {error}", field="against", hint="install git, or give a second -f") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(
            f"against: git: {words[0][:200] if words else 'failed'}",
            field="against",
            hint="name a commit, branch or tag of the repository that holds the files, or give a second -f",
        )
    return done.stdout


def at_revision(paths: tuple[str, ...], revision: str, into: Path) -> tuple[str, ...]:
    """The same paths as they were at a revision, written below ``into``; those that were not there are left out.

    Raises:
        InputError: no such revision, no git repository, or standard input.
    """
    if revision.startswith("-"):
        raise InputError(f"against: {revision[:40]!r} is no revision", field="against", hint="name a commit or branch")
    found: list[str] = []
    for number, path in enumerate(paths):
        if path == "-":
            raise InputError("filename: standard input has no revisions", field="filename", hint="name a file")
        target = Path(path).absolute()
        folder = target if target.is_dir() else target.parent
        top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
        _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        inside = target.resolve().relative_to(top.resolve()).as_posix()
        listed = _git(top, "ls-tree", "-r", "-z", "--name-only", revision, "--", inside).decode().split("\0")
        for name in filter(None, listed):
            if name != inside and Path(name).suffix not in SUFFIXES:
                continue
            copy = into / str(number) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_git(top, "show", f"{revision}:{name}"))
        copied = into / str(number) / inside
        if copied.exists():
            found.append(str(copied))
    return tuple(found)
