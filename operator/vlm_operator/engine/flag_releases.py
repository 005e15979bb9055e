"""Look up the releases of vLLM that take a flag or an environment variable, in the table read from vLLM's sources."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from vlm_operator.engine.flag_release_table import FLAGS
from vlm_operator.engine.variable_release_table import VARIABLES
from vlm_operator.engine.version import EngineVersion

REPLACEMENTS: Final[dict[str, str]] = {
    "--cuda-graph-sizes": "use --cudagraph-capture-sizes",
    "--disable-log-requests": "leave it out: requests are logged only with --enable-log-requests",
    "--disable-mm-preprocessor-cache": "use --mm-processor-cache-gb 0",
    "--enable-multimodal-encoder-data-parallel": "use --mm-encoder-tp-mode data",
    "--eplb-log-balancedness": "use --eplb-config with log_balancedness",
    "--eplb-step-interval": "use --eplb-config with step_interval",
    "--eplb-window-size": "use --eplb-config with window_size",
    "--num-redundant-experts": "use --eplb-config with num_redundant_experts",
    "--override-pooler-config": "use --pooler-config",
    "--rope-scaling": "use --hf-overrides with rope_parameters",
    "--rope-theta": "use --hf-overrides with rope_parameters",
    "--swap-space": "leave it out: the V1 engine does not swap",
    "--task": "use --runner and --convert",
    "VLLM_ATTENTION_BACKEND": "use --attention-backend",
    "VLLM_FLASH_ATTN_VERSION": "use --attention-config with flash_attn_version",
    "VLLM_TORCH_PROFILER_DIR": "use --profiler-config with torch_profiler_dir",
    "VLLM_USE_V1": "leave it out: there is only the V1 engine",
}
"""What to write instead of flags and variables that are gone (deprecation texts of the last release that had them)."""


class Releases(NamedTuple):
    """Minor releases of 0.x, first and last inclusive."""

    first: int
    last: int


@lru_cache(maxsize=1)
def _known() -> dict[str, tuple[Releases, ...]]:
    found: dict[str, list[Releases]] = {}
    for first, last, names in (*FLAGS, *VARIABLES):
        for name in names.split():
            found.setdefault(name, []).append(Releases(first, last))
    return {name: tuple(sorted(runs)) for name, runs in found.items()}


def releases_with(name: str) -> tuple[Releases, ...]:
    """Runs of minor releases that take a flag (as it is spelt, with dashes) or a variable; empty where none does.

    ``--no-…`` of a switch counts as the switch.

    >>> releases_with("--swap-space"), releases_with("--no-enable-prefix-caching")[0].first
    ((Releases(first=11, last=17),), 11)
    """
    known = _known()
    found = known.get(name, ())
    if not found and name.startswith("--no-"):
        found = known.get(f"--{name[5:]}", ())
    return found


@lru_cache(maxsize=4096)
def takes(version: EngineVersion, name: str) -> bool:
    """Whether the release takes the flag or variable, also as an unambiguous beginning of a flag, as argparse does.

    ``-O3`` and ``-O.key`` are forms of ``-O`` that vLLM's parser rewrites (``utils/argparse_utils.py``).
    """
    if any(run.first <= version.minor <= run.last for run in releases_with(name)):
        return True
    if name.startswith("-O"):
        return True
    if not name.startswith("--"):
        return False
    begun = [
        flag
        for flag, runs in _known().items()
        if flag.startswith(name) and any(run.first <= version.minor <= run.last for run in runs)
    ]
    return len(begun) == 1
