"""Print an audit, or a plan, in the form that ``-o`` names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vlm_operator import __version__

if TYPE_CHECKING:
    from vlm_operator.audit.audit import Audit
    from vlm_operator.audit.finding import Severity
    from vlm_operator.planning.plan import Plan


def print_as(form: str, audit: Audit, *, fail_on: Severity | None) -> None:
    """Print to stdout; each form imports only what it needs."""
    if form == "table":
        from vlm_operator.cli.audit_table import print_audit

        print_audit(audit)
    elif form == "sarif":
        from vlm_operator.audit.forms.sarif import audit_to_sarif

        click.echo(json.dumps(audit_to_sarif(audit, __version__), indent=2, ensure_ascii=False, allow_nan=False))
    elif form == "junit":
        from vlm_operator.audit.forms.junit import audit_to_junit

        click.echo(audit_to_junit(audit, fail_on), nl=False)
    elif form == "markdown":
        from vlm_operator.audit.forms.markdown import audit_to_markdown

        click.echo(audit_to_markdown(audit), nl=False)
    elif form == "html":
        from vlm_operator.audit.forms.html import audit_to_html

        click.echo(audit_to_html(audit, stamp=_stamp()), nl=False)
    else:
        from vlm_operator.audit.report import audit_to_json
        from vlm_operator.cli.output import emit

        emit(audit_to_json(audit), form, lambda: None)


def print_plan_page(plan: Plan, command: Sequence[str]) -> None:
    """Print one plan as the same kind of page."""
    from vlm_operator.audit.forms.html import plan_to_html

    click.echo(plan_to_html(plan, command, stamp=_stamp()), nl=False)


def _stamp() -> str:
    return f"vlmctl {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
