"""KServe's resources keep its SDK's schemas, and fit each other and the service."""

from pathlib import Path

import pytest
import yaml

from service.processes.supervisor import GRACE_S
from service.settings import Settings
from tests.deploy.kustomize import Resource
from tests.rpc.clients import run_client

FOLDER = Path(__file__).parents[2] / "deploy/kserve"
RUNTIME = FOLDER / "servingruntime.yaml"
SERVICE = FOLDER / "inferenceservice.yaml"


def spec(file: Path) -> Resource:
    content: Resource = yaml.safe_load(file.read_text())["spec"]
    return content


def container() -> Resource:
    (only,) = spec(RUNTIME)["containers"]
    found: Resource = only
    return found


def settings() -> Settings:
    given = {
        each["name"].removeprefix("SERVERY_").lower(): each["value"]
        for each in container()["env"]
    }
    assert given.keys() <= Settings.model_fields.keys()
    return Settings(**given)


@pytest.mark.slow
def test_kserves_sdk_knows_every_field() -> None:
    assert run_client("kserve_resources", str(RUNTIME), str(SERVICE)) == "passed\n"


@pytest.mark.slow
def test_the_sdk_would_tell_a_misspelt_field(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(RUNTIME.read_text().replace("readinessProbe", "readynessProbe"))
    with pytest.raises(AssertionError, match=r"readynessProbe: not a field"):
        run_client("kserve_resources", str(wrong))


def test_the_service_asks_for_the_runtime_and_what_that_speaks() -> None:
    model = spec(SERVICE)["predictor"]["model"]
    assert model["runtime"] == yaml.safe_load(RUNTIME.read_text())["metadata"]["name"]
    assert set(spec(RUNTIME)["protocolVersions"]) == {"v1", "v2"}
    assert model["protocolVersion"] in spec(RUNTIME)["protocolVersions"]
    formats = {each["name"] for each in spec(RUNTIME)["supportedModelFormats"]}
    assert model["modelFormat"]["name"] in formats


def test_one_port_is_served_named_and_asked() -> None:
    (port,) = container()["ports"]
    annotations = spec(RUNTIME)["annotations"]
    asked = [
        container()[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")
    ]
    assert {
        settings().port,
        port["containerPort"],
        int(annotations["prometheus.kserve.io/port"]),
        *(each["port"] for each in asked),
    } == {8080}  # KServe's own
    assert [each["path"] for each in asked] == ["/v2/health/live", "/v2/health/ready"]


def test_a_predictor_is_not_killed_while_draining() -> None:
    given = settings()
    slowest_s = given.drain_delay_s + given.drain_timeout_s + 2 * GRACE_S
    predictor = spec(SERVICE)["predictor"]
    assert predictor["terminationGracePeriodSeconds"] > slowest_s
    assert predictor["enableServiceLinks"] is False


def test_a_predictor_writes_to_its_volumes_alone() -> None:
    assert container()["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    volumes = {each["name"] for each in spec(RUNTIME)["volumes"]}
    mounts = {each["mountPath"]: each["name"] for each in container()["volumeMounts"]}
    assert mounts.keys() == {"/tmp", "/cache"}
    assert set(mounts.values()) == volumes
