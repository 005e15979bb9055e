"""``vlmctl audit``: which models fit which GPUs, which servers waste memory, which would not come back."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.audit.finding import Severity
from vlm_operator.cli import completions
from vlm_operator.errors import InputError, UnknownFact

if TYPE_CHECKING:
    from vlm_operator.audit.audit import Audit
    from vlm_operator.engine.version import EngineVersion

_NEVER: Final = "never"


@click.command("audit", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--nodes",
    metavar="FILE",
    help="Nodes as 'kubectl get nodes -o json' (or yaml) "
    "gives them, and beside them resourceslices, resourceclaims and gpunodes, where the cluster has them.",
)
@click.option("--pods", metavar="FILE", help="Pods as 'kubectl get pods -A -o json' (or yaml) gives them.")
@click.option(
    "--config-maps", metavar="FILE", help="ConfigMaps that commands refer to, as kubectl gives them (with --pods)."
)
@click.option(
    "--metrics", metavar="FOLDER", help="Pages of /metrics, named NAMESPACE_POD.txt (with --pods); live: --no-metrics."
)
@click.option("--no-metrics", is_flag=True, help="Live: do not read /metrics of the servers.")
@click.option(
    "--models",
    metavar="FILE|catalogue",
    multiple=True,
    help="Models to place: a file with ids or VLMDeployments, an id, or 'catalogue' [default: those that run].",
)
@click.option(
    "--to",
    metavar="VERSION",
    shell_complete=completions.releases,
    help="Upgrade check: what this vLLM release breaks or changes.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*map(str, Severity), _NEVER]),
    default=str(Severity.WARNING),
    show_default=True,
    help="Exit code 1 where a finding is at least this severe.",
)
@click.option("--baseline", metavar="FILE", help="An earlier answer (-o json): its findings are accepted.")
@click.option("--context", help="Live: context of the kubeconfig.")
@click.option(
    "--write-report", metavar="NAME", help="Live: write the answer into the cluster as the GPUFitReport of this name."
)
@click.option("-n", "--namespace", help="Only servers of this namespace.")
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "sarif", "junit", "markdown", "html"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)
def command(**values: Any) -> int:
    """Audit the vLLM servers and GPUs of a cluster.

    Live by the kubeconfig, reading only but for --write-report; or offline with --nodes and --pods. Exit codes: 0
    nothing found, 1 findings at or above --fail-on, 2 bad input, 5 cluster not reachable or a right is missing.
    """
    from vlm_operator.cli.audit_forms import print_as

    if values["write_report"] and values["nodes"]:
        raise InputError(
            "write-report: a report is of the cluster that was audited live",
            field="write-report",
            hint="leave --nodes and --pods out, or -o json",
        )
    audited_at = datetime.now(UTC)
    made = _audit(values)
    if values["write_report"]:
        from vlm_operator.cli.audit_report_writer import write_report

        write_report(made, values["write_report"], f"{audited_at:%Y-%m-%dT%H:%M:%SZ}", values["context"])
    print_as(values["output"], made, fail_on=None if values["fail_on"] == _NEVER else Severity(values["fail_on"]))
    return _exit_code(made, values["fail_on"])


def _audit(values: dict[str, Any]) -> Audit:
    from vlm_operator.audit.audit import audit
    from vlm_operator.cli.audit_models import facts_of_servers, wanted_models

    to = _release(values["to"]) if values["to"] else None
    baseline = _baseline(values["baseline"])
    cluster = _cluster(values)
    models = facts_of_servers(cluster.servers, offline=values["offline"])
    wanted = wanted_models(values["models"], models, offline=values["offline"])
    collect_less_often()
    steps = len(wanted) * len(cluster.fleet.groups) + len(cluster.servers)
    return audit(cluster, models, wanted, to=to, baseline=baseline, progress=_progress(steps))


def _release(text: str) -> EngineVersion:
    """The release to upgrade to.

    Raises:
        InputError: it is none, or its rules are not known.
    """
    from vlm_operator.engine.version import EngineVersion, require_known

    version = EngineVersion.parse(text, field="to")
    try:
        return require_known(version)
    except UnknownFact as unknown:
        message = unknown.message.replace("vllm-version", "to", 1)
        raise InputError(message, field="to", hint="name a release in that range with --to") from None


def _baseline(path: str | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    from vlm_operator.audit.baseline import known_ids
    from vlm_operator.cli.audit_files import read_document

    return known_ids(read_document(path, "baseline"))


def _cluster(values: dict[str, Any]) -> Any:
    given = [name for name in ("nodes", "pods") if values[name]]
    if len(given) == 1:
        missing = "pods" if values["nodes"] else "nodes"
        raise InputError(
            f"{missing}: an offline audit needs --nodes and --pods",
            field=missing,
            hint=f"kubectl get {missing} {'-A ' if missing == 'pods' else ''}-o json > {missing}.json",
        )
    if given:
        from vlm_operator.cli.audit_files import read_files

        return read_files(values)
    if values["config_maps"] or values["metrics"]:
        raise InputError("config-maps, metrics: they go with --nodes and --pods", field="pods", hint="give both files")
    from vlm_operator.cli.audit_cluster import read_live

    return read_live(values["context"], values["namespace"], with_metrics=not values["no_metrics"])


def _exit_code(made: Audit, fail_on: str) -> int:
    if fail_on == _NEVER:
        return 0
    worst = Severity(fail_on).rank
    return int(any(finding.severity.rank <= worst and not finding.known for finding in made.findings))


def collect_less_often() -> None:
    """Take what was read for lasting, and look for cycles rarely: a sixth of the time of a matrix of 8,000 cells."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _progress(steps: int) -> Callable[[], None]:
    """A bar on stderr once a second has passed, where a person watches."""
    if not sys.stderr.isatty():
        return lambda: None
    from vlm_operator.cli.progress import LateBar

    return LateBar(steps).advance
