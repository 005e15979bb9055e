"""``vlm-operator``: starts the watches, the queue's workers and the HTTP port, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.errors import ClusterUnreachable

if TYPE_CHECKING:
    from vlm_operator.controller.client import Client
    from vlm_operator.controller.health import Health

LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line or the environment sets.

    Attributes:
        namespaces: those to watch; empty for all.
        port: of ``/healthz``, ``/readyz`` and ``/metrics``.
        workers: reconciles that may run at once.
        resync_seconds: how often every VLMDeployment is looked at though nothing happened.
    """

    namespaces: tuple[str, ...]
    port: int
    workers: int
    resync_seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VLM_OPERATOR"})
@click.option(
    "--namespaces",
    default="",
    show_envvar=True,
    help="Namespaces to watch, separated by commas. Default: all, which needs a ClusterRole.",
)
@click.option("--port", default=8080, show_default=True, show_envvar=True, help="Port of probes and metrics.")
@click.option("--log-format", type=click.Choice(["json", "plain"]), default="json", show_default=True, show_envvar=True)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    show_envvar=True,
)
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, show_envvar=True)
@click.option("--resync-seconds", type=click.FloatRange(1), default=300.0, show_default=True, show_envvar=True)
def main(namespaces: str, log_format: str, log_level: str, **options: Any) -> None:
    """Run the operator against the cluster it is in, or the one KUBECONFIG names."""
    from vlm_operator.controller import log_format as logs

    logs.set_up(log_format, log_level)
    names = tuple(name.strip() for name in namespaces.split(",") if name.strip())
    try:
        asyncio.run(run(Options(names, **options)))
    except ClusterUnreachable as error:
        LOGGER.error("%s; %s", error.message, error.hint)
        sys.exit(error.exit_code)


async def run(options: Options) -> None:
    """Run until told to stop (SIGINT, SIGTERM)."""
    import kopf

    from vlm_operator.controller.apply import Applier
    from vlm_operator.controller.client import Client
    from vlm_operator.controller.health import Health, serve
    from vlm_operator.controller.metrics import Metrics
    from vlm_operator.controller.models import Models
    from vlm_operator.controller.queue import WorkQueue
    from vlm_operator.controller.reconcile import Reconciler
    from vlm_operator.controller.watches import World, register, watch_settings
    from vlm_operator.controller.work import Workers
    from vlm_operator.lifecycle.decide import decide

    client, metrics, health = Client.connect(), Metrics(), Health()
    queue, world = WorkQueue(), World()
    instance = os.environ.get("POD_NAME") or socket.gethostname()
    reconciler = Reconciler(client, Models(), Applier(client, instance), metrics, decide=decide)
    server = serve(health, metrics, options.port)
    with ThreadPoolExecutor(options.workers, thread_name_prefix="reconcile") as threads:
        work = Workers(
            queue, world, reconciler=reconciler, metrics=metrics, health=health, threads=threads, client=client
        )
        tasks = work.start(options.workers, options.resync_seconds)
        watching = asyncio.Event()
        tasks.append(asyncio.create_task(_become_ready(watching, health, client, options)))
        LOGGER.info("watching %s", ", ".join(options.namespaces) or "all namespaces")
        try:
            await kopf.operator(
                registry=register(queue, world),
                settings=watch_settings(),
                namespaces=options.namespaces,
                clusterwide=not options.namespaces,
                ready_flag=watching,
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.shutdown()


async def _become_ready(watching: asyncio.Event, health: Health, client: Client, options: Options) -> None:
    """Ready is who watches and has been answered: the API server is there, the CRD is, and so is the right to list."""
    from vlm_operator.api.names import API_VERSION
    from vlm_operator.controller.api_errors import ApiError
    from vlm_operator.controller.client import path_of

    await watching.wait()
    path = path_of(API_VERSION, "VLMDeployment", options.namespaces[0] if options.namespaces else None)
    while health.waiting_for is not None:
        try:
            await asyncio.to_thread(client.text, path, {"limit": "1"})
            health.waiting_for = None
        except ApiError as error:
            health.waiting_for = error.message
            await asyncio.sleep(1)


if __name__ == "__main__":
    main()
