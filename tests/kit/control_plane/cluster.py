"""``Cluster``: a control plane in a temporary folder, started in seconds and gone when its process is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from kit.control_plane.audit import POLICY, AuditLog
from kit.control_plane.nodes import SimulatedGpuNode

REPOSITORY: Final = Path(__file__).resolve().parents[3]
COMPONENTS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
TRIES: Final = 3
CREATION_SECONDS: Final = 70
"""How long one try may take; on an idle machine it is a tenth of that."""


class CommandFailed(RuntimeError):
    """A command of the cluster failed; carries what it printed."""


def find_tools(*only: str) -> Path:
    """The folder of binaries, brought there if need be (words on stderr); with names, those alone."""
    chosen = ["--only", ",".join(only)] if only else []
    command = [sys.executable, str(REPOSITORY / "hack/tools/get"), *chosen]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(found.stdout.strip())


class Cluster:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK, through kwokctl.

    A small guard process holds one end of a pipe and removes the cluster when this process ends in any way, ``kill
    -9`` included.

    Args:
        services: range of the Services' addresses.
        real_nodes: without KWOK, which would manage every node; the API server asks kubelets as an administrator, at
            the addresses they name.
    """

    def __init__(
        self,
        tools: Path | None = None,
        *,
        name: str | None = None,
        services: str | None = None,
        real_nodes: bool = False,
    ) -> None:
        self.tools = tools or find_tools()
        self.name = name or f"vlm-{os.getpid()}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self._services = services
        self._real_nodes = real_nodes
        self._home = self.folder / "clusters" / self.name
        self.audit = AuditLog(self._home / "logs" / "audit.log")
        self._environment = os.environ | {
            "KWOK_WORKDIR": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.folder / "kubectl"),  # kubectl would keep what another cluster on this port serves
        }
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring it up, ready for nodes.

        Raises:
            CommandFailed: kwokctl's words; what had started is gone again.
        """
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        kwokctl = f"'{self.tools}/kwokctl' --name '{self.name}' delete cluster --kubeconfig '{self.kubeconfig}'"
        script = f"read word; [ \"$word\" = keep ] && exit 0; {kwokctl}; rm -rf '{self.folder}'"
        self._guard = subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )
        for tries_left in reversed(range(TRIES)):
            try:
                self._create(policy)
                self._check_controllers()
                if self._real_nodes:
                    return
                self.kubectl("apply", "--server-side", "-f", str(Path(__file__).with_name("stages.yaml")))
                return
            except CommandFailed as error:
                if not tries_left:
                    self.stop()
                    raise
                # Ports that kwokctl found free may be taken by the time its components listen on them.
                print(f"the control plane did not come up, once more: {str(error)[-500:]}", file=sys.stderr)
                self._run("kwokctl", "delete", "cluster", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}")

    def _create(self, policy: Path) -> None:
        binaries = [f"--{name}-binary={self.tools / name}" for name in COMPONENTS]
        self._run(
            "kwokctl",
            "create",
            "cluster",
            "--runtime=binary",
            *binaries,
            f"--kwok-controller-binary={self.tools / 'kwok'}",
            f"--name={self.name}",
            f"--kubeconfig={self.kubeconfig}",
            f"--kube-audit-policy={policy}",
            "--extra-args=etcd=unsafe-no-fsync=true",
            *([f"--extra-args=kube-apiserver=service-cluster-ip-range={self._services}"] if self._services else []),
            # One of each: without a lease to wait for, a restarted controller works at once.
            "--extra-args=kube-controller-manager=leader-elect=false",
            "--extra-args=kube-scheduler=leader-elect=false",
            "--disable-qps-limits",
            "--node-lease-duration-seconds=40",  # how long a restarted KWOK waits for its own nodes
            *(self._for_real_nodes() if self._real_nodes else ["--enable-crds=Stage,Logs"]),
            f"--wait={CREATION_SECONDS}s",
            timeout=CREATION_SECONDS + 20,
        )

    def _check_controllers(self) -> None:
        """On a busy machine a controller may have ended before the API server was healthy; nobody restarts it."""
        for name in ("kube-controller-manager", "kube-scheduler"):
            if not _is_running((self._home / "pids" / f"{name}.pid").read_text().strip()):
                end = (self._home / "logs" / f"{name}.log").read_text()[-300:]
                raise CommandFailed(f"{name} ended before the API server was healthy: {end}")

    def ended_components(self) -> dict[str, str]:
        """Components that run no longer, each with the end of its log; nobody restarts them."""
        found: dict[str, str] = {}
        for file in sorted((self._home / "pids").glob("*.pid")):
            if not _is_running(file.read_text().strip()):
                log = self._home / "logs" / f"{file.stem}.log"
                found[file.stem] = log.read_text(errors="replace")[-500:] if log.exists() else ""
        return found

    def _for_real_nodes(self) -> list[str]:
        administrator = {"certificate": self.pki / "admin.crt", "key": self.pki / "admin.key"}
        options = {f"kubelet-client-{name}": path for name, path in administrator.items()}
        options["kubelet-preferred-address-types"] = Path("InternalIP")
        return ["--disable=kwok-controller", *(f"--extra-args=kube-apiserver={n}={v}" for n, v in options.items())]

    @property
    def pki(self) -> Path:
        """The folder of its certificates: ``ca.crt``, ``admin.crt``, ``admin.key``."""
        return self._home / "pki"

    def stop(self) -> None:
        """Remove it with all its processes and files."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait(timeout=60)
            self._guard = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self) -> str:
        """Leave it running when this process ends; the command that removes it."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(b"keep\n")
            self._guard.stdin.close()
            self._guard = None
        return f"KWOK_WORKDIR={self.folder} {self.tools}/kwokctl --name {self.name} delete cluster; rm -r {self.folder}"

    # --- commands -----------------------------------------------------------------------------------------------

    def _run(self, tool: str, *arguments: str, text: str | None = None, timeout: float = 120) -> str:
        command = [str(self.tools / tool), *arguments]
        try:
            result = subprocess.run(
                command, env=self._environment, input=text, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"{tool} {' '.join(arguments)[:300]}: not done within {timeout:.0f} s") from error
        if result.returncode != 0:
            words = (result.stderr + result.stdout)[-3000:]
            raise CommandFailed(f"{tool} {' '.join(arguments)[:300]}: exit code {result.returncode}\n{words}")
        return result.stdout

    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 120) -> str:
        """Run kubectl as admin; its standard output.

        Raises:
            CommandFailed: exit code other than 0.
        """
        return self._run("kubectl", *arguments, text=text, timeout=timeout)

    def helm(self, *arguments: str) -> str:
        """Run helm as admin; its standard output."""
        return self._run("helm", *arguments)

    def apply(self, *manifests: Mapping[str, Any], namespace: str | None = None, validate: bool = True) -> None:
        """``kubectl apply`` of these objects, as a user would."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        flags = [*([] if namespace is None else ["-n", namespace]), *([] if validate else ["--validate=false"])]
        self.kubectl("apply", *flags, "-f", "-", text=json.dumps(items))

    def get(self, kind: str, name: str | None = None, namespace: str | None = None, *flags: str) -> dict[str, Any]:
        """An object (or a List) as JSON."""
        where = ["-n", namespace] if namespace else []
        found: dict[str, Any] = json.loads(
            self.kubectl("get", kind, *([name] if name else []), *where, *flags, "-o", "json")
        )
        return found

    def wait(self, what: str, ready: Callable[[], Any], seconds: float = 60) -> Any:
        """Ask until the answer is true, and return it.

        Raises:
            TimeoutError: it was not within that time; names what was waited for.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                if answer := ready():
                    return answer
                problem = ""
            except CommandFailed as error:
                problem = f" ({error})"
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}{problem}")
            time.sleep(0.2)

    # --- parts --------------------------------------------------------------------------------------------------

    def add_nodes(self, nodes: Iterable[SimulatedGpuNode | Mapping[str, Any]]) -> None:
        """Add simulated nodes and wait until they are Ready."""
        manifests = [node.manifest() if isinstance(node, SimulatedGpuNode) else dict(node) for node in nodes]
        self.apply(*manifests)
        names = [f"node/{manifest['metadata']['name']}" for manifest in manifests]
        self.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *names)

    def install_chart(self, namespace: str = "vlm-system", *flags: str) -> Path:
        """Everything of the chart but its Deployment: CRDs, ServiceAccount, RBAC; a kubeconfig of that ServiceAccount.

        The operator itself runs as a process of this machine, with exactly the rights the chart grants.

        Args:
            flags: helm's, such as ``--set=watchNamespaces={a}``.
        """
        text = self.helm(
            "template", "vlm-operator", str(REPOSITORY / "charts/vlm-operator"), f"--namespace={namespace}", *flags
        )
        manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
        crds = [manifest for manifest in manifests if manifest["kind"] == "CustomResourceDefinition"]
        others = [
            manifest for manifest in manifests if manifest["kind"] not in {"CustomResourceDefinition", "Deployment"}
        ]
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(crds))
        self.kubectl("wait", "--for=condition=Established", *(f"crd/{crd['metadata']['name']}" for crd in crds))
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(others))
        account = next(manifest for manifest in others if manifest["kind"] == "ServiceAccount")
        return self.service_account_kubeconfig(namespace, account["metadata"]["name"])

    def service_account_kubeconfig(self, namespace: str, name: str, *, hours: int = 2) -> Path:
        """A kubeconfig that acts as this ServiceAccount, by a token the API server issued."""
        token = self.kubectl("-n", namespace, "create", "token", name, f"--duration={hours}h").strip()
        config = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        path = self.folder / f"{namespace}-{name}.kubeconfig"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def restart_api_server(self, *, down_seconds: float = 2) -> None:
        """Kill the API server with -9, leave it away for a while, start it again with the same command line.

        Kubernetes' own controllers and KWOK are started anew with it: how long their watches back off after an outage
        is not what tests of this project are about.
        """
        command = self._kill("kube-apiserver")
        time.sleep(down_seconds)
        self._launch("kube-apiserver", command)
        self.wait("the API server answers again", lambda: self.kubectl("get", "--raw", "/readyz"), 60)
        for name in ("kube-controller-manager", "kube-scheduler", "kwok-controller"):
            self._launch(name, self._kill(name))

    def restart_etcd(self, *, down_seconds: float = 1) -> None:
        """Kill etcd with -9, leave it away for a while, start it again on the same data."""
        command = self._kill("etcd")
        time.sleep(down_seconds)
        self._launch("etcd", command)
        self.wait("the API server answers again", lambda: self.kubectl("get", "--raw", "/readyz"), 60)

    def _kill(self, name: str) -> list[str]:
        """Kill a component with -9; the command line it had."""
        pid = int((self._home / "pids" / f"{name}.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        os.kill(pid, signal.SIGKILL)
        return command

    def _launch(self, name: str, command: list[str]) -> None:
        with (self._home / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._home, start_new_session=True)
        (self._home / "pids" / f"{name}.pid").write_text(str(process.pid))


def _is_running(pid: str) -> bool:
    """False for a process that is gone, or dead and not yet collected."""
    command = Path("/proc", pid, "cmdline")
    return command.exists() and bool(command.read_bytes())
