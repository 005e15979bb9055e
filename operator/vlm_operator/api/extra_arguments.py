"""Validate ``engine.extraArgs``: refuse arguments that vLLM reads as a flag the plan decides.

vLLM's parser (0.32: ``utils/argparse_utils.py``, ``FlexibleArgumentParser``) takes more spellings than its help shows:
underscores for dashes, ``--flag=value``, ``--flag.key value`` for JSON flags, ``--no-flag`` for switches, and, as every
argparse parser does, unambiguous beginnings of a flag. All of them count here.
"""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.engine.flags import OWNED_FLAGS, SHORT_FLAGS, SWITCHES

REFUSED_FLAGS: Final = tuple(
    sorted(
        {
            *OWNED_FLAGS,
            "--config",  # a file of flags would override the plan unseen
            "--uds",  # a socket instead of the port that probes and Service use
            "--headless",  # no HTTP server, so never ready
            "--grpc",
            "--ssl-keyfile",  # probes and Service speak plain HTTP
            "--ssl-certfile",
            "--nnodes",  # more nodes than the plan's one
            "--node-rank",
            "--data-parallel-size-local",
            "--prefill-context-parallel-size",
            "--decode-context-parallel-size",
            "--device-ids",
        }
    )
)
"""Long flags that ``extraArgs`` may not set, sorted."""

REFUSED_SHORT_FLAGS: Final = tuple(sorted({*SHORT_FLAGS, "-n", "-r", "-dpl", "-pcp", "-dcp", "-t", "-e", "-p", "-d"}))
"""Their short spellings; single letters because argparse completes them."""

MESSAGE: Final = (
    "must not set a flag that the plan decides (--max-model-len, --gpu-memory-utilization, …) or that would bypass it "
    "(--config, --pipeline-parallel-size, …), in any spelling; pin it by its own field of spec.engine instead"
)

_SPELLINGS: Final = (*REFUSED_FLAGS, *(f"--no-{flag[2:]}" for flag in SWITCHES))

_SEARCHED_AT_ONCE: Final = 32
"""Spellings in one rule: the API server estimates what a rule costs by the length of the text that it searches, and
refuses a CRD above its limit (all 66 in one rule were 8 % too many)."""

_SHORT: Final = "[" + ", ".join(f"'{flag}'" for flag in REFUSED_SHORT_FLAGS) + "]"


def _rule(spellings: tuple[str, ...]) -> str:
    """One search in one text. What a flag's name may hold ends at "=" (a value) or "." (a key of a JSON flag)."""
    found = f"'|{'|'.join(spellings)}'.contains('|' + a.find('^--[A-Za-z0-9_-]*').replace('_', '-'))"
    return f"!self.exists(a, a.startsWith('--') && {found})"


RULES: Final = (
    *(_rule(_SPELLINGS[start : start + _SEARCHED_AT_ONCE]) for start in range(0, len(_SPELLINGS), _SEARCHED_AT_ONCE)),
    f"!self.exists(a, a.find('^-[A-Za-z]+') in {_SHORT})",
)
"""The rules on the list, for the API server."""

BLANK_MESSAGE: Final = (
    'must hold a flag and its value as two items, or joined by \'=\': ["--seed", "5"] or ["--seed=5"], not '
    '["--seed 5"], which vLLM takes for one unknown flag'
)

BLANK_CEL: Final = r"!self.exists(a, a.matches('^--?[A-Za-z][A-Za-z0-9_.-]*\\s'))"
"""The rule on the list that refuses a flag and its value in one item."""

_BLANK: Final = re.compile(r"--?[A-Za-z][A-Za-z0-9_.-]*\s", re.ASCII)
_LONG_NAME: Final = re.compile(r"--[A-Za-z0-9_-]*", re.ASCII)
_SHORT_NAME: Final = re.compile(r"-[A-Za-z]+", re.ASCII)


def holds_value_after_blank(argument: str) -> bool:
    """Whether an item holds a flag and, after a blank, its value.

    >>> holds_value_after_blank("--seed 5"), holds_value_after_blank('--override={"a": 1}')
    (True, False)
    """
    return _BLANK.match(argument) is not None


def refused(argument: str) -> str | None:
    """The flag of the plan that vLLM would read from ``argument``, or None where there is none.

    >>> refused("--max_model_len=8192"), refused("--no-enforce-eager"), refused("--enable-auto-tool-choice")
    ('--max-model-len', '--no-enforce-eager', None)
    """
    if long := _LONG_NAME.match(argument):
        name = long[0].replace("_", "-")
        return next((spelling for spelling in _SPELLINGS if spelling.startswith(name)), None)
    short = _SHORT_NAME.match(argument)
    return short[0] if short and short[0] in REFUSED_SHORT_FLAGS else None
