"""Small checkpoints that real vLLM loads: written once, by the Python that vLLM runs with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kit.real_node.folders import HERE, cache
from kit.real_node.vllm_environment import VLLMEnvironment

TEXT: Final = "local/tiny-text"
VISION: Final = "local/tiny-vision"
UNKNOWN: Final = "local/tiny-unknown"
"""Its config names an architecture that vLLM does not have."""

SCRIPT: Final = HERE / "write_checkpoints.py"


def checkpoints() -> Path:
    """The Hugging Face cache they are in, for pods."""
    return cache() / f"checkpoints-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]}"


def write_checkpoints(environment: VLLMEnvironment, say: Callable[[str], None]) -> None:
    """Write them.

    Raises:
        RuntimeError: the script failed; the end of its words.
    """
    folder, partial = checkpoints(), checkpoints().with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    say(f"checkpoints with random weights into {folder}")
    done = subprocess.run(
        [str(environment.python), str(SCRIPT), str(partial)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{SCRIPT.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    partial.rename(folder)


def copy_for_the_operator(folder: Path) -> None:
    """The operator's own copy of the cache: there ``UNKNOWN`` is a model it plans, so that a pod finds out."""
    shutil.copytree(checkpoints(), folder)
    config = next((folder / "hub" / "models--local--tiny-unknown").glob("snapshots/*/config.json"))
    found = json.loads(config.read_text())
    found["architectures"] = ["Qwen3ForCausalLM"]
    config.write_text(json.dumps(found))
