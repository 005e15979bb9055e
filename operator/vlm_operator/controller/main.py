"""``vlm-operator``: starts the watches, the queue's workers and the HTTP port, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.errors import ClusterUnreachable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from vlm_operator.controller.leader import Leadership

LOGGER: Final = logging.getLogger(__name__)

SPARE_CONNECTIONS: Final = 16
"""Connections to the API server beside those of the reconciles: the watches of one namespace."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line or the environment sets.

    Attributes:
        namespaces: those to watch; empty for all.
        port: of ``/healthz``, ``/readyz`` and ``/metrics``.
        workers: reconciles that may run at once.
        resync_seconds: how often every VLMDeployment is looked at though nothing happened.
        pod_template_policy: what ``spec.podTemplate`` may ask for: ``Restricted`` or ``Unrestricted``.
        lease_namespace: where the Lease is by which one of several operators is chosen; empty: this one is alone.
        lease_name: name of that Lease.
    """

    namespaces: tuple[str, ...]
    port: int
    workers: int
    resync_seconds: float
    pod_template_policy: str
    lease_namespace: str
    lease_name: str


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VLM_OPERATOR"},
)
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
@click.option("--workers", type=click.IntRange(1, 64), default=8, show_default=True, show_envvar=True)
@click.option("--resync-seconds", type=click.FloatRange(1), default=300.0, show_default=True, show_envvar=True)
@click.option(
    "--pod-template-policy",
    type=click.Choice(["Restricted", "Unrestricted"]),
    default="Restricted",
    show_default=True,
    show_envvar=True,
    help="What spec.podTemplate may ask for; Restricted refuses what reaches beyond the namespace.",
)
@click.option(
    "--lease-namespace",
    default="",
    show_envvar=True,
    help="Namespace of the Lease by which one of several operators is chosen. Default: no Lease, this one is alone.",
)
@click.option("--lease-name", default="vlm-operator", show_default=True, show_envvar=True, help="Name of that Lease.")
def main(namespaces: str, log_format: str, log_level: str, **options: Any) -> None:
    """Run the operator against the cluster it is in, or the one KUBECONFIG names."""
    from vlm_operator.controller import log_format as logs

    logs.set_up(log_format, log_level)
    context = click.get_current_context(silent=True)
    if context is not None and context.invoked_subcommand is not None:
        return
    names = tuple(name.strip() for name in namespaces.split(",") if name.strip())
    try:
        asyncio.run(run(Options(names, **options)))
    except ClusterUnreachable as error:
        LOGGER.error("%s; %s", error.message, error.hint)
        sys.exit(error.exit_code)
    except Exception:
        LOGGER.critical("a task ended, and with it the operator", exc_info=True)
        sys.exit(1)


@main.command()
@click.option("--node", envvar="NODE_NAME", show_envvar=True, required=True, help="Name of this node.")
@click.option(
    "--interval-seconds",
    type=click.FloatRange(0.01),
    default=10.0,
    show_default=True,
    show_envvar=True,
    help="Between two looks at the GPUs.",
)
@click.option("--pod-namespace", envvar="POD_NAMESPACE", show_envvar=True, help="Namespace of the pod it runs in.")
@click.option("--pod-name", envvar="POD_NAME", show_envvar=True, help="Name of the pod it runs in.")
def agent(node: str, interval_seconds: float, pod_namespace: str | None, pod_name: str | None) -> None:
    """Tell what is free of this node's GPUs, and who holds the rest: as the GPUNode of its name, from NVML.

    Nothing is written while nothing changes by more than 256 MiB.
    """
    from vlm_operator.controller.node_agent import run as run_agent

    try:
        run_agent(node, interval_seconds, f"{pod_namespace}/{pod_name}" if pod_namespace and pod_name else None)
    except ClusterUnreachable as error:
        LOGGER.error("%s; %s", error.message, error.hint)
        sys.exit(error.exit_code)


async def run(options: Options) -> None:
    """Run until told to stop (SIGINT, SIGTERM).

    Raises:
        ExceptionGroup: a task ended by an error.
    """
    from vlm_operator.controller.apply import Applier
    from vlm_operator.controller.client import Client
    from vlm_operator.controller.health import Health, serve
    from vlm_operator.controller.mailbox import Mailbox
    from vlm_operator.controller.metrics import Metrics
    from vlm_operator.controller.models import Models
    from vlm_operator.controller.queue import WorkQueue
    from vlm_operator.controller.reconcile import Reconciler
    from vlm_operator.controller.watches import Watches, World
    from vlm_operator.controller.work import Workers
    from vlm_operator.lifecycle.decide import decide
    from vlm_operator.rendering import PodTemplatePolicy

    loop = asyncio.get_running_loop()
    client, metrics, health = Client.connect(connections=options.workers + SPARE_CONNECTIONS), Metrics(), Health()
    world = World(Mailbox(loop, queue := WorkQueue()).post)
    client.wrote, metrics.fit_reports = world.cache.wrote, world.fit_reports.specs
    instance = os.environ.get("POD_NAME") or socket.gethostname()
    if (leadership := _leadership(options, instance)) is not None:
        client.may_write = leadership.may_write
    policy = PodTemplatePolicy(options.pod_template_policy)
    reconciler = Reconciler(client, world, Models(), Applier(client, instance), metrics, decide=decide, policy=policy)
    with ThreadPoolExecutor(options.workers, thread_name_prefix="reconcile") as pool:
        work = Workers(
            queue, world, reconciler=reconciler, metrics=metrics, health=health, threads=pool, workers=options.workers
        )

        def synced() -> None:
            loop.call_soon_threadsafe(work.synced.set)

        watches = Watches(client, world, options.namespaces, synced)
        health.waiting_for = lambda: None if work.synced.is_set() else watches.waiting_for() or "the first look begins"
        server = serve(health, metrics, options.port)
        LOGGER.info("watching %s", ", ".join(options.namespaces) or "all namespaces")
        watches.start()
        try:
            await _until_told(
                loop,
                beat=work.beat(),
                lead=work.lead(leadership),
                dispatch=work.dispatch(),
                resync=work.resync(options.resync_seconds),
            )
        finally:
            watches.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            if leadership is not None:
                leadership.release()
            server.shutdown()


async def _until_told(loop: asyncio.AbstractEventLoop, **tasks: Coroutine[Any, Any, None]) -> None:
    """Run these until SIGINT or SIGTERM comes, or one of them ends by an error, which ends all."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(task, name=name) for name, task in tasks.items()]
        await stop.wait()
        LOGGER.info("told to stop")
        for task in running:
            task.cancel()


def _leadership(options: Options, instance: str) -> Leadership | None:
    """The claim to the Lease, by a client of its own: it is renewed whatever the other connections wait for."""
    from vlm_operator.controller.client import Client
    from vlm_operator.controller.leader import REQUEST_SECONDS, Leadership

    if not options.lease_namespace:
        return None
    client = Client.connect(connections=2)
    client.request_seconds = REQUEST_SECONDS
    return Leadership(client, options.lease_namespace, options.lease_name, f"{instance}_{uuid.uuid4().hex[:8]}")


if __name__ == "__main__":
    main()
