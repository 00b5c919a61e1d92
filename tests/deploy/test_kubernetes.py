"""The resources for Kubernetes keep its schemas, and fit each other and the service."""

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client import CollectorRegistry

from service.metrics import Metrics
from service.processes.supervisor import GRACE_S
from service.settings import Settings

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
NEWEST = "1.37"
OLDEST = "1.27"  # the first with all that is used
ABSENT = "kubernetes-validate, which carries the schemas, is not installed"
LABELS = {"app.kubernetes.io/name": "servery"}

# What is used of monitoring.coreos.com/v1, whose definition no package carries here.
SERVICE_MONITOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "endpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"type": "object"}},
                },
                "endpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string"},
                            "interval": {"pattern": r"^\d+(ms|s|m)$"},
                            "scrapeTimeout": {"pattern": r"^\d+(ms|s|m)$"},
                        },
                    },
                },
            },
        },
    },
}


def load(path: str) -> dict[str, Any]:
    """The one document of a file."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / path).read_text())
    return document


BASE = load("base/kustomization.yaml")
GPU = load("overlays/gpu/kustomization.yaml")
RESOURCES = {path: load(f"base/{path}") for path in BASE["resources"]}
DEPLOYMENT = RESOURCES["deployment.yaml"]
SERVICE = RESOURCES["service.yaml"]


def merge(base: Any, patch: Any) -> Any:
    """A strategic merge as far as overlays need it: lists of named things by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        merged = {key: merge(base.get(key), value) for key, value in patch.items()}
        return base | merged
    if isinstance(base, list) and all("name" in each for each in [*base, *patch]):
        named = {each["name"]: each for each in base}
        for each in patch:
            named[each["name"]] = merge(named.get(each["name"]), each)
        return list(named.values())
    return patch


def gpu_deployment() -> dict[str, Any]:
    """The deployment as the overlay makes it, but for the image's tag."""
    (patch,) = GPU["patches"]
    merged: dict[str, Any] = merge(
        copy.deepcopy(DEPLOYMENT), load(f"overlays/gpu/{patch['path']}")
    )
    return merged


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    """What the deployment's pods are."""
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    """The one container of the deployment's pods."""
    (only,) = pod(deployment)["containers"]
    found: dict[str, Any] = only
    return found


each_deployment = pytest.mark.parametrize(
    "deployment", [DEPLOYMENT, gpu_deployment()], ids=["base", "gpu"]
)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_resources_keep_the_schemas_of_the_api(version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason=ABSENT)
    built_in = [each for each in RESOURCES.values() if each["kind"] != "ServiceMonitor"]
    assert len(built_in) == len(RESOURCES) - 1
    for resource in [*built_in, gpu_deployment()]:
        validator.validate(resource, version, strict=True)


def test_the_schemas_would_tell_a_misspelt_field() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason=ABSENT)
    wrong = copy.deepcopy(DEPLOYMENT)
    container(wrong)["readynessProbe"] = container(wrong)["readinessProbe"]
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        validator.validate(wrong, NEWEST, strict=True)


def test_the_service_monitor_keeps_what_we_know_of_its_definition() -> None:
    jsonschema.validate(RESOURCES["servicemonitor.yaml"], SERVICE_MONITOR)


def test_every_file_belongs_to_a_kustomization() -> None:
    for folder, named in [
        ("base", BASE["resources"]),
        ("overlays/gpu", [each["path"] for each in GPU["patches"]]),
    ]:
        files = {each.name for each in (FOLDER / folder).glob("*.yaml")}
        assert files == {"kustomization.yaml", *named}


def test_the_overlay_changes_what_the_base_has() -> None:
    (patch,) = (load(f"overlays/gpu/{each['path']}") for each in GPU["patches"])
    assert [
        (FOLDER / "overlays/gpu" / each).resolve() for each in GPU["resources"]
    ] == [FOLDER / "base"]
    assert (patch["kind"], patch["metadata"]) == ("Deployment", DEPLOYMENT["metadata"])
    assert container(patch)["name"] == container(DEPLOYMENT)["name"]
    image = container(DEPLOYMENT)["image"].partition(":")[0]
    assert [each["name"] for each in GPU["images"]] == [image]


def test_a_replica_on_a_gpu_has_one_and_keeps_what_the_base_asks() -> None:
    ours = container(gpu_deployment())
    assert ours["resources"]["limits"]["nvidia.com/gpu"] == 1
    variables = {each["name"]: each["value"] for each in ours["env"]}
    assert variables["SERVERY_DEVICE"] == "gpu"
    assert variables["SERVERY_DRAIN_DELAY_S"] == "5"
    assert ours["readinessProbe"] == container(DEPLOYMENT)["readinessProbe"]


@each_deployment
def test_pods_are_what_the_restricted_profile_admits(
    deployment: dict[str, Any],
) -> None:
    namespace = RESOURCES["namespace.yaml"]
    profile = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert (namespace["metadata"]["name"], profile) == (BASE["namespace"], "restricted")
    assert pod(deployment)["securityContext"]["runAsNonRoot"] is True
    assert pod(deployment)["securityContext"]["seccompProfile"]["type"] == (
        "RuntimeDefault"
    )
    assert container(deployment)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_deployment
def test_nobody_is_killed_while_draining(deployment: dict[str, Any]) -> None:
    settings = settings_of(deployment)
    slowest_s = 2 * (settings.drain_delay_s + settings.drain_timeout_s + GRACE_S)
    assert pod(deployment)["terminationGracePeriodSeconds"] > slowest_s
    probe = container(deployment)["readinessProbe"]
    assert settings.drain_delay_s >= probe["periodSeconds"] * probe["failureThreshold"]


@each_deployment
def test_kubernetes_writes_no_settings_of_its_own(deployment: dict[str, Any]) -> None:
    assert SERVICE["metadata"]["name"] == "servery"  # it would make SERVERY_PORT
    assert pod(deployment)["enableServiceLinks"] is False
    settings_of(deployment)


def test_everything_selects_the_same_pods() -> None:
    assert DEPLOYMENT["spec"]["template"]["metadata"]["labels"] == LABELS
    assert SERVICE["spec"]["selector"] == LABELS
    assert SERVICE["metadata"]["labels"] == LABELS  # what the ServiceMonitor selects
    for path in ("deployment", "poddisruptionbudget", "servicemonitor"):
        selector = RESOURCES[f"{path}.yaml"]["spec"]["selector"]
        assert selector == {"matchLabels": LABELS}
    policy = RESOURCES["networkpolicy.yaml"]["spec"]["podSelector"]
    assert policy == {"matchLabels": LABELS}


def test_ports_have_one_name_and_probes_ask_what_is_served() -> None:
    (port,) = container(DEPLOYMENT)["ports"]
    assert port == {"name": "http", "containerPort": Settings().port}
    assert SERVICE["spec"]["ports"][0]["targetPort"] == port["name"]
    monitor = RESOURCES["servicemonitor.yaml"]["spec"]["endpoints"][0]
    assert monitor["port"] == SERVICE["spec"]["ports"][0]["name"]
    probes = {
        kind: container(DEPLOYMENT)[f"{kind}Probe"]["httpGet"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert {each["port"] for each in probes.values()} == {port["name"]}
    assert [each["path"] for each in probes.values()] == ["/livez", "/livez", "/readyz"]


def test_the_autoscaler_reads_a_metric_that_the_service_has() -> None:
    scaler = RESOURCES["horizontalpodautoscaler.yaml"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    assert "replicas" not in DEPLOYMENT["spec"]
    (metric,) = (each["pods"]["metric"]["name"] for each in scaler["metrics"][:1])
    (rule,) = load("prometheus-adapter.yaml")["rules"]["custom"]
    assert rule["name"]["as"] == metric
    exported = re.match(r"\w+", rule["seriesQuery"])
    registry = CollectorRegistry()
    Metrics(registry)
    assert exported
    assert exported[0] in {each.name for each in registry.collect()}


def settings_of(deployment: dict[str, Any]) -> Settings:
    """What the deployment's variables make of the service."""
    given = {
        each["name"].removeprefix("SERVERY_").lower(): each["value"]
        for each in container(deployment)["env"]
    }
    assert given.keys() <= Settings.model_fields.keys()
    return Settings(**given)
