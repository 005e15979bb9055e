"""The text of docs/diagnosis.md: what ``vlmctl diagnose`` recognises, from the code that recognises it."""

from __future__ import annotations

from collections.abc import Iterator

from vlm_operator.diagnosis.document import CONTRACT, camel_case
from vlm_operator.engine.log_wordings import KINDS, FailureKind
from vlm_operator.engine.log_wordings.measured import STAGES

INTRODUCTION = """\
# What `vlmctl diagnose` says

```
vlmctl diagnose vllm.log                 # a file, or - for standard input
vlmctl diagnose POD -n NAMESPACE         # a pod: the run that ended last first; also --context, -c CONTAINER
kubectl logs POD --previous | vlmctl diagnose - -o json
```

It reads a start-up log of vLLM 0.8 to 0.33 in one pass, whatever containers, Kubernetes, Docker Compose, journald, Ray,
a JSON logger, a collector (Fluent Bit, Vector, Google Cloud, Loki) or a terminal put around its lines. `outcome` is
that of the newest start in the log: `Failed`, `Started` or `Incomplete`.

- The **root cause** is reported, never a sentence that points to it. What INFO, DEBUG and WARNING records quote counts
  for nothing. Of one failure that several workers print, the worst numbers are kept.
- **Numbers** are those that the log prints, under the names below; a number that is not printed is not told.
- **Retunable** means that flags of vLLM alone can mend it. `advice` then holds the next value and its arithmetic.
- A failure of class `Request` is one refused request of a healthy server: `outcome` is `Started`, nothing is restarted.
- vLLM refuses flags in hundreds of sentences: what its own checks of flags raise is `ConfigurationRejected`, and an
  `ImportError` that ends a start `DependencyMissing`, whatever their words.
- A failure that nothing names is `Unknown`, with the deepest exception of the log.

Exit codes: 0 recognised, 2 the log cannot be read, 4 the failure is unknown or the log is none of vLLM's, 5 the cluster
does not answer.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_reasons(), *_numbers(), *_stages()]) + "\n"


def _reasons() -> Iterator[str]:
    yield "## Reasons"
    yield ""
    yield "| reason | class | retunable | what happened | what to do |"
    yield "|---|---|---|---|---|"
    for kind in KINDS:
        retunable = "yes" if kind.retunable else "no"
        yield f"| `{kind.reason}` | {kind.failure_class} | {retunable} | {kind.meaning} | {kind.remedy} |"
    yield "| `Unknown` | Unknown | no | No known sentence names it. | Read the exception and the lines above it. |"
    yield ""


def _numbers() -> Iterator[str]:
    yield "## Numbers of a failure, and the releases whose sentences are known"
    yield ""
    yield "| reason | numbers | releases |"
    yield "|---|---|---|"
    for kind in KINDS:
        names = ", ".join(f"`{camel_case(name)}`" for name in _names(kind)) or "none"
        yield f"| `{kind.reason}` | {names} | {_releases(kind)} |"
    yield ""
    figures = ", ".join(f"`{camel_case(name)}`" for name in CONTRACT)
    yield f"`observation` always holds {figures}, null where the log has none, and further figures where it has them."
    yield ""


def _names(kind: FailureKind) -> list[str]:
    names: dict[str, None] = {}
    for wording in (*kind.wordings, *kind.details):
        names |= dict.fromkeys((*wording.kinds, *wording.constants))
    return list(names)


def _releases(kind: FailureKind) -> str:
    spans = sorted({wording.versions for wording in kind.wordings} - {"any"})
    return ", ".join(span.replace("-", " to ") for span in spans) or "any"


def _stages() -> Iterator[str]:
    yield "## Stages of an out-of-memory"
    yield ""
    yield "The innermost of these functions in the traceback tells `stage`."
    yield ""
    yield "| stage | functions of vLLM |"
    yield "|---|---|"
    for stage in dict.fromkeys(STAGES.values()):
        yield f"| `{stage}` | {', '.join(f'`{name}`' for name, each in STAGES.items() if each == stage)} |"
