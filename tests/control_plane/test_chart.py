"""The Helm chart installs what the operator needs and nothing more, under the strictest Pod Security Standard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.control_plane import Cluster, OperatorProcess
from kit.control_plane.cluster import CommandFailed

ROOT = Path(__file__).resolve().parents[2]
CHART = str(ROOT / "charts/vlm-operator")
NAMESPACE = "chart-test"

pytestmark = pytest.mark.control_plane


def template(cluster: Cluster, *flags: str) -> list[dict[str, Any]]:
    text = cluster.helm("template", "release", CHART, "--namespace", NAMESPACE, *flags)
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def account(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The operator's ServiceAccount, as an installed release has it."""
    cluster.helm("install", "release", CHART, "--namespace", namespace, "--set=crds.install=false")
    yield f"system:serviceaccount:{namespace}:release-vlm-operator"
    cluster.helm("uninstall", "release", "--namespace", namespace)


def test_the_chart_lints_strictly(cluster: Cluster) -> None:
    assert "0 chart(s) failed" in cluster.helm("lint", "--strict", CHART)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((), id="defaults"),
        pytest.param(("--set=watchNamespaces={default}",), id="one namespace"),
        pytest.param(("--set=metrics.service.enabled=true", "--set=logLevel=debug"), id="metrics"),
        pytest.param(
            ("--set=audit.schedule=0 5 * * *", "--set=audit.dashboard.enabled=true", "--set=audit.rbac.create=true"),
            id="audit",
        ),
        pytest.param(("--set=networkPolicy.enabled=true", "--set=replicas=2"), id="network policy and budget"),
        pytest.param(("--set=fullnameOverride=" + "a" * 63, "--set=crds.keep=false"), id="a long name"),
    ],
)
def test_what_the_chart_renders_is_accepted_by_the_api_server(
    cluster: Cluster, namespace: str, flags: tuple[str, ...]
) -> None:
    text = yaml.safe_dump_all(template(cluster, *flags))
    answer = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", text=text)
    assert answer.count("serverside-applied") == len(template(cluster, *flags))


def test_the_operators_pod_keeps_to_the_restricted_pod_security_standard(cluster: Cluster, namespace: str) -> None:
    (deployment,) = of_kind(template(cluster), "Deployment")
    spec = deployment["spec"]["template"]["spec"] | {"serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "restricted", "namespace": namespace}, "spec": spec}
    assert "created" in cluster.kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    container = spec["containers"][0]
    assert container["resources"]["limits"] == {"memory": "512Mi"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["ports"][0]["containerPort"] == 8080


@pytest.mark.parametrize("flags", [(), ("--set=watchNamespaces={team-a,team-b}",)], ids=["cluster", "namespaces"])
def test_no_right_is_a_wildcard_or_about_secrets(cluster: Cluster, flags: tuple[str, ...]) -> None:
    documents = template(cluster, *flags)
    roles = of_kind(documents, "ClusterRole") + of_kind(documents, "Role")
    rules = [rule for role in roles for rule in role["rules"]]
    assert len(rules) >= 8
    assert [rule for rule in rules if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]] == []
    assert [rule for rule in rules if {"secrets", "pods/exec"} & set(rule["resources"])] == []
    assert {tuple(rule["verbs"]) for rule in rules if "configmaps" in rule["resources"]} == {
        ("create",)
    }  # one a namespace


def test_named_namespaces_get_roles_and_no_right_elsewhere(cluster: Cluster) -> None:
    documents = template(cluster, "--set=watchNamespaces={team-a,team-b}", "--set=rbac.aggregateToDefaultRoles=false")
    roles, bindings = of_kind(documents, "Role"), of_kind(documents, "RoleBinding")
    lease = next(role for role in roles if role["metadata"]["name"].endswith("-lease"))
    assert lease["metadata"]["namespace"] == NAMESPACE
    assert {resource for rule in lease["rules"] for resource in rule["resources"]} == {"leases"}
    assert [role["metadata"]["namespace"] for role in roles if role is not lease] == ["team-a", "team-b"]
    assert [binding["metadata"]["namespace"] for binding in bindings] == [NAMESPACE, "team-a", "team-b"]
    (cluster_role,) = of_kind(documents, "ClusterRole")
    resources = {resource for rule in cluster_role["rules"] for resource in rule["resources"]}
    claims = {"resourceslices", "resourceclaims", "deviceclasses"}
    assert resources == {"nodes", "startupobservations", "enginefacts", "gpufitreports", "gpunodes", *claims}
    (deployment,) = of_kind(documents, "Deployment")
    assert "--namespaces=team-a,team-b" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def test_named_namespaces_may_have_all_pods_listed_for_the_gpus_in_use(cluster: Cluster) -> None:
    documents = template(cluster, "--set=watchNamespaces={team-a}", "--set=rbac.readAllPods=true")
    role = next(role for role in of_kind(documents, "ClusterRole") if "view" not in str(role["metadata"]["name"]))
    pods = [rule for rule in role["rules"] if "pods" in rule["resources"]]
    assert pods == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("watch", "vlmdeployments.vlm-operator.dev", True),
        ("patch", "vlmdeployments.vlm-operator.dev/status", True),
        ("patch", "vlmdeployments.vlm-operator.dev", False),
        ("delete", "vlmdeployments.vlm-operator.dev", False),
        ("create", "deployments.apps", True),
        ("delete", "services", False),
        ("delete", "deployments.apps", True),
        ("get", "pods/log", True),
        ("delete", "pods", True),
        ("list", "customresourcedefinitions.apiextensions.k8s.io", False),
        ("list", "namespaces", False),
        ("create", "pods/exec", False),
        ("create", "events.events.k8s.io", True),
        ("create", "startupobservations.vlm-operator.dev", True),
        ("create", "enginefacts.vlm-operator.dev", True),
        ("watch", "gpufitreports.vlm-operator.dev", True),
        ("patch", "gpufitreports.vlm-operator.dev", False),
        ("watch", "gpunodes.vlm-operator.dev", True),
        ("patch", "gpunodes.vlm-operator.dev", False),
        ("watch", "resourceslices.resource.k8s.io", True),
        ("create", "resourceclaimtemplates.resource.k8s.io", True),
        ("create", "resourceclaims.resource.k8s.io", True),
        ("delete", "resourceclaims.resource.k8s.io", False),
        ("create", "jobs.batch", True),
        ("patch", "jobs.batch", False),
        ("create", "configmaps", True),
        ("get", "configmaps", False),
        ("list", "nodes", True),
        ("patch", "nodes", False),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("create", "rolebindings.rbac.authorization.k8s.io", False),
        ("impersonate", "users", False),
    ],
)
def test_the_operators_account_may_do_this_and_not_that(
    cluster: Cluster, account: str, verb: str, resource: str, allowed: bool
) -> None:
    resource, _, subresource = resource.partition("/")
    flags = [f"--subresource={subresource}"] if subresource else []
    try:
        answer = cluster.kubectl("auth", "can-i", verb, resource, *flags, f"--as={account}", "--namespace=default")
    except CommandFailed as refusal:  # kubectl answers "no" with exit code 1
        answer = str(refusal)
    assert ("yes" in answer) is allowed, answer


def test_a_forbidden_call_is_forbidden(cluster: Cluster, account: str) -> None:
    with pytest.raises(CommandFailed, match="secrets is forbidden"):
        cluster.kubectl("get", "secrets", "--namespace=default", f"--as={account}")


def test_crds_are_kept_unless_told_otherwise(cluster: Cluster) -> None:
    kept = of_kind(template(cluster), "CustomResourceDefinition")
    assert len(kept) == len(list((ROOT / "crds").glob("*.yaml")))
    assert all(crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for crd in kept)
    dropped = of_kind(template(cluster, "--set=crds.keep=false"), "CustomResourceDefinition")
    assert all("annotations" not in crd["metadata"] for crd in dropped)
    assert of_kind(template(cluster, "--set=crds.install=false"), "CustomResourceDefinition") == []


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--set=watchNamespace=default", "watchNamespace"),
        ("--set=logLevel=verbose", "logLevel"),
        ("--set=port=80", "port"),
        ("--set=image.digest=sha256:1", "digest"),
        ("--set=metrics.serviceMonitor.enabled=true", "needs metrics.service.enabled"),
        ("--set=metrics.prometheusRule.enabled=true", "needs metrics.serviceMonitor.enabled"),
        ("--set=replicas=-1", "replicas"),
    ],
)
def test_a_wrong_value_is_refused_by_name(cluster: Cluster, flag: str, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        template(cluster, flag)


def test_the_service_monitor_selects_the_metrics_service(cluster: Cluster) -> None:
    documents = template(cluster, "--set=metrics.service.enabled=true", "--set=metrics.serviceMonitor.enabled=true")
    (service,) = of_kind(documents, "Service")
    (monitor,) = of_kind(documents, "ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_alerts_are_about_metrics_that_the_operator_has(cluster: Cluster) -> None:
    from vlm_operator.controller.metrics import Metrics

    flags = [f"--set=metrics.{name}.enabled=true" for name in ("service", "serviceMonitor", "prometheusRule")]
    flags.append("--set=audit.schedule=0 5 * * *")
    documents = template(cluster, *flags)
    (rule,), (service,) = of_kind(documents, "PrometheusRule"), of_kind(documents, "Service")
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    assert {alert["alert"] for alert in alerts} == {
        *("VLMOperatorQueueOld", "VLMOperatorNoLeader"),
        *("VLMServersWouldNotComeBack", "VLMGPUMemoryNotNeeded", "VLMAuditOld"),
    }
    exposed = Metrics().text().decode()
    for alert in alerts:
        names = set(re.findall(r"vlm_operator_\w+", alert["expr"]))
        assert names
        assert [name for name in names if f"# TYPE {name} gauge" not in exposed] == []
        assert f'job="{service["metadata"]["name"]}"' in alert["expr"]


def test_an_update_of_the_chart_leaves_no_gap_and_several_replicas_share_one_lease(cluster: Cluster) -> None:
    documents = template(cluster, "--set=replicas=2")
    (deployment,) = of_kind(documents, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {f"--lease-namespace={NAMESPACE}", "--lease-name=release-vlm-operator"} <= set(arguments)
    (lease,) = [role for role in of_kind(documents, "Role") if role["metadata"]["name"].endswith("-lease")]
    named = next(rule for rule in lease["rules"] if "resourceNames" in rule)
    assert (named["resourceNames"], sorted(named["verbs"])) == (["release-vlm-operator"], ["get", "update"])


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_drain_never_takes_the_last_of_several_replicas(cluster: Cluster, replicas: int, budgets: int) -> None:
    found = of_kind(template(cluster, f"--set=replicas={replicas}"), "PodDisruptionBudget")
    assert [budget["spec"]["minAvailable"] for budget in found] == [1] * budgets


def test_the_network_policy_selects_the_operator_and_lets_it_reach_what_it_needs(cluster: Cluster) -> None:
    assert of_kind(template(cluster), "NetworkPolicy") == []
    documents = template(cluster, "--set=networkPolicy.enabled=true", "--set=networkPolicy.egressPorts={443}")
    (policy,), (deployment,) = of_kind(documents, "NetworkPolicy"), of_kind(documents, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    dns, out = policy["spec"]["egress"]
    assert {entry["port"] for entry in dns["ports"]} == {53}
    assert out["ports"] == [{"port": 443, "protocol": "TCP"}]


def test_helm_test_asks_an_operator_that_runs(cluster: Cluster, operator: OperatorProcess) -> None:
    """The test pod's own script, against a running operator instead of the Service."""
    documents = template(cluster, "--set=metrics.service.enabled=true")
    (pod,), (service,) = of_kind(documents, "Pod"), of_kind(documents, "Service")
    script, address = pod["spec"]["containers"][0]["args"]
    assert address == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    command = [sys.executable, "-c", script]
    done = subprocess.run([*command, f"http://127.0.0.1:{operator.port}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nobody = subprocess.run([*command, "http://127.0.0.1:9"], capture_output=True, text=True, check=False)
    assert nobody.returncode != 0


def test_a_digest_wins_over_the_tag(cluster: Cluster) -> None:
    digest = "sha256:" + "0" * 64
    (deployment,) = of_kind(template(cluster, f"--set=image.digest={digest}", "--set=image.tag=x"), "Deployment")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"ghcr.io/vlm-operator/vlm-operator@{digest}"


def test_the_image_and_arguments_are_those_of_the_console_script(cluster: Cluster) -> None:
    """Every argument the chart gives is one that `vlm-operator` takes."""
    from vlm_operator.controller.main import main

    (deployment,) = of_kind(template(cluster), "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["vlm-operator"]
    with main.make_context("vlm-operator", list(container["args"])) as context:
        assert context.params["port"] == 8080
        assert context.params["namespaces"] == ""
