"""What is applied to Kubernetes keeps its schemas, and fits itself and the service."""

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
from tests.deploy.kustomize import (
    KUBERNETES,
    OVERLAYS,
    Resource,
    build,
    container,
    each_whole,
    pod,
    render,
)

NEWEST = "1.37"
OLDEST = "1.27"  # the first with all that is used
FIRST_IMAGE_VOLUMES = "1.33"
LABELS = {"app.kubernetes.io/name": "servery"}
CUSTOM = yaml.safe_load((Path(__file__).parent / "custom_resources.yaml").read_text())
METRICS = (KUBERNETES.parents[1] / "docs/metrics.md").read_text()


def settings_of(resources: dict[str, Resource]) -> Settings:
    """What the deployment's variables make of the service."""
    given = {
        each["name"].removeprefix("SERVERY_").lower(): each["value"]
        for each in container(resources)["env"]
    }
    assert given.keys() <= Settings.model_fields.keys()
    return Settings(**given)


def mounted(resources: dict[str, Resource]) -> dict[str, Resource]:
    """The volumes of the service's container by the path where they are."""
    volumes = {each["name"]: each for each in pod(resources)["volumes"]}
    return {
        each["mountPath"]: volumes[each["name"]]
        for each in container(resources)["volumeMounts"]
    }


@each_whole
def test_resources_keep_the_schemas_of_the_api(whole: str) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    oldest = FIRST_IMAGE_VOLUMES if whole == "image-volume" else OLDEST
    for kind, resource in render(whole).items():
        if kind in CUSTOM:
            jsonschema.validate(resource, CUSTOM[kind])
        else:
            for version in (oldest, NEWEST):
                validator.validate(resource, version, strict=True)


def test_the_schemas_would_tell_a_misspelt_field() -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    wrong = copy.deepcopy(render("base"))
    container(wrong)["readynessProbe"] = container(wrong)["readinessProbe"]
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        validator.validate(wrong["Deployment"], NEWEST, strict=True)


def test_the_base_and_where_models_come_from_ask_for_nothing_that_is_installed() -> (
    None
):
    for whole in ("base", *OVERLAYS):
        assert not render(whole).keys() & {*CUSTOM, "HorizontalPodAutoscaler"}


def test_the_documents_example_renders_beside_a_checkout(tmp_path: Path) -> None:
    document = (KUBERNETES.parents[1] / "docs/kubernetes.md").read_text()
    example = re.search(r"```yaml\n(.+?)```", document, re.DOTALL)
    assert example
    (tmp_path / "servery").symlink_to(KUBERNETES.parents[1])
    (tmp_path / "kustomization.yaml").write_text(example[1])
    made = {each["kind"]: each for each in yaml.safe_load_all(build(tmp_path))}
    images = [
        each["image"]
        for kind in ("containers", "initContainers")
        for each in pod(made)[kind]
    ]
    assert images == [
        "registry.example.com/servery:0.1.0",
        "registry.example.com/models:7",
    ]


@each_whole
def test_everything_is_in_one_namespace_and_selects_the_same_pods(whole: str) -> None:
    resources = render(whole)
    namespace = resources["Namespace"]["metadata"]["name"]
    for kind, resource in resources.items():
        if kind != "Namespace":
            assert resource["metadata"]["namespace"] == namespace, kind
    assert resources["Deployment"]["spec"]["template"]["metadata"]["labels"] == LABELS
    assert resources["Service"]["metadata"]["labels"] == LABELS
    assert resources["Service"]["spec"]["selector"] == LABELS
    selects = {
        "Deployment": "selector",
        "PodDisruptionBudget": "selector",
        "ServiceMonitor": "selector",
        "NetworkPolicy": "podSelector",
    }
    for kind in selects.keys() & resources.keys():
        assert resources[kind]["spec"][selects[kind]] == {"matchLabels": LABELS}


@each_whole
def test_pods_are_what_the_restricted_profile_admits(whole: str) -> None:
    resources = render(whole)
    labels = resources["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert_restricted(pod(resources))


def test_the_pod_that_publishes_is_admitted_too_and_writes_as_the_service_reads() -> (
    None
):
    publish = yaml.safe_load((KUBERNETES / "publish.yaml").read_text())
    assert publish["metadata"]["namespace"] == "servery"
    assert_restricted(publish["spec"])
    claim = render("pvc")["PersistentVolumeClaim"]["metadata"]["name"]
    (volume,) = publish["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": claim}
    user = pod(render("pvc"))["securityContext"]["runAsUser"]
    assert publish["spec"]["securityContext"]["runAsUser"] == user


def assert_restricted(spec: Resource) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in [*spec["containers"], *spec.get("initContainers", [])]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@each_whole
def test_nobody_is_killed_while_draining(whole: str) -> None:
    resources = render(whole)
    settings = settings_of(resources)
    slowest_s = settings.drain_delay_s + settings.drain_timeout_s + 2 * GRACE_S
    assert pod(resources)["terminationGracePeriodSeconds"] > slowest_s
    assert "lifecycle" not in container(resources)  # a hook's time would come on top
    probe = container(resources)["readinessProbe"]
    assert settings.drain_delay_s >= probe["periodSeconds"] * probe["failureThreshold"]


def test_an_update_takes_no_replica_away_before_the_next_is_ready() -> None:
    rolling = render("base")["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


@each_whole
def test_kubernetes_writes_no_settings_of_its_own(whole: str) -> None:
    resources = render(whole)
    assert resources["Service"]["metadata"]["name"] == "servery"  # makes SERVERY_PORT
    assert pod(resources)["enableServiceLinks"] is False


@each_whole
def test_what_is_written_to_is_a_volume_and_models_are_read_only(whole: str) -> None:
    resources = render(whole)
    volumes = mounted(resources)
    assert "emptyDir" in volumes["/tmp"]
    assert "emptyDir" in volumes["/cache"]
    models = [
        each
        for each in container(resources)["volumeMounts"]
        if each["mountPath"] == "/artifacts"
    ]
    assert [each["readOnly"] for each in models] == [True] * len(models)


def test_models_come_in_three_ways_and_otherwise_from_the_image() -> None:
    kinds = {
        "pvc": "persistentVolumeClaim",
        "init-container": "emptyDir",
        "image-volume": "image",
    }
    assert sorted(kinds) == OVERLAYS
    for overlay, kind in kinds.items():
        assert kind in mounted(render(overlay))["/artifacts"]
    assert "/artifacts" not in mounted(render("base"))


def test_there_is_memory_for_photo_where_photo_is_and_nowhere_else() -> None:
    def asked(whole: str) -> Any:
        return container(render(whole))["resources"]["requests"]["memory"]

    assert asked("pvc") == "3Gi"
    assert {asked(whole) for whole in ("base", "init-container", "image-volume")} == {
        "1Gi"
    }
    # the images of models are built without it
    ignored = (KUBERNETES.parents[1] / ".dockerignore").read_text()
    assert "artifacts/photo" in ignored.splitlines()


@pytest.mark.parametrize("whole", ["base and gpu", "pvc and everything"])
def test_a_replica_on_a_gpu_has_one_and_keeps_what_the_base_asks(whole: str) -> None:
    ours = container(render(whole))
    assert ours["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert ours["image"].endswith("-gpu")
    settings = settings_of(render(whole))
    assert settings.device == "gpu"
    assert settings.drain_delay_s == settings_of(render("base")).drain_delay_s
    assert ours["readinessProbe"] == container(render("base"))["readinessProbe"]


def test_ports_have_one_name_and_probes_ask_what_is_served() -> None:
    resources = render("pvc and everything")
    (port,) = container(resources)["ports"]
    assert port == {"name": "http", "containerPort": Settings().port}
    (service,) = resources["Service"]["spec"]["ports"]
    assert service["targetPort"] == port["name"]
    monitor = resources["ServiceMonitor"]["spec"]["endpoints"][0]
    assert monitor["port"] == service["name"]
    probes = {
        kind: container(resources)[f"{kind}Probe"]["httpGet"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert {each["port"] for each in probes.values()} == {port["name"]}
    assert [each["path"] for each in probes.values()] == ["/livez", "/livez", "/readyz"]


def test_the_autoscaler_reads_a_metric_that_the_service_has() -> None:
    resources = render("base and hpa")
    scaler = resources["HorizontalPodAutoscaler"]["spec"]
    deployment = resources["Deployment"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["minReplicas"] == render("base")["Deployment"]["spec"]["replicas"]
    assert "replicas" not in deployment["spec"]  # an apply would set it back
    (metric,) = (each["pods"]["metric"]["name"] for each in scaler["metrics"][:1])
    adapter = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == metric
    exported = re.match(r"\w+", rule["seriesQuery"])
    registry = CollectorRegistry()
    Metrics(registry)
    assert exported
    assert exported[0] in {each.name for each in registry.collect()}
    assert f"| `{exported[0]}` |" in METRICS
