"""The compose file keeps the specification, and fits what it wires together."""

import copy
import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from service.processes.supervisor import GRACE_S
from service.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ["servery", "servery-tracing", "servery-gpu"]
each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


@pytest.fixture(scope="module")
def specification() -> jsonschema.Draft202012Validator:
    """The compose specification's own schema, as check-jsonschema carries it."""
    package = find_spec("check_jsonschema")
    if package is None or not package.submodule_search_locations:
        pytest.skip("check-jsonschema, which carries the schema, is not installed")
    folder = Path(package.submodule_search_locations[0]) / "builtin_schemas/vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def test_the_file_keeps_the_compose_specification(
    specification: jsonschema.Draft202012Validator,
) -> None:
    specification.validate(COMPOSE)


def test_the_specification_would_tell_a_misspelt_key(
    specification: jsonschema.Draft202012Validator,
) -> None:
    wrong = copy.deepcopy(COMPOSE)
    wrong["services"]["servery"]["read-only"] = True
    with pytest.raises(jsonschema.ValidationError, match="read-only"):
        specification.validate(wrong)


@each_service
def test_a_service_may_write_nowhere_and_become_nobody(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in service["deploy"]["resources"]["limits"]


@each_service
def test_an_image_is_pinned_to_a_release(name: str) -> None:
    assert re.search(
        r":v?\d+\.\d+\.\d+(-gpu)?(@sha256:\w{64})?$", SERVICES[name]["image"]
    )


@each_of_ours
def test_our_image_carries_the_version_of_the_project(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tag = SERVICES[name]["image"].partition(":")[2]
    assert tag.removesuffix("-gpu") == project["version"]


@each_of_ours
def test_what_the_environment_sets_are_settings(name: str) -> None:
    given = SERVICES[name].get("environment", {})
    ours = [key for key in given if not key.startswith("OTEL_")]
    fields = {key.removeprefix("SERVERY_").lower(): given[key] for key in ours}
    assert fields.keys() <= Settings.model_fields.keys()
    Settings(**fields)


@each_of_ours
def test_nobody_is_killed_while_draining(name: str) -> None:
    settings = Settings()
    slowest_s = settings.drain_delay_s + settings.drain_timeout_s + 2 * GRACE_S
    assert seconds(SERVICES[name]["stop_grace_period"]) > slowest_s


@each_service
def test_ports_are_for_this_machine_only_unless_asked(name: str) -> None:
    for port in SERVICES[name]["ports"]:
        assert re.match(r"(\$\{\w+:-)?127\.0\.0\.1:\d+", port)


@each_service
def test_what_is_mounted_from_the_repository_is_there(name: str) -> None:
    sources = [source for source, _ in mounts(name) if source.startswith("./")]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_named_volumes_are_those_that_are_mounted() -> None:
    named = {
        source
        for name in SERVICES
        for source, _ in mounts(name)
        if not source.startswith("./")
    }
    assert named == COMPOSE["volumes"].keys()


def test_a_gpu_is_reserved_in_its_profile_only() -> None:
    def devices(name: str) -> Any:
        return SERVICES[name]["deploy"]["resources"]["reservations"].get("devices")

    assert devices("servery") is None
    assert SERVICES["servery-gpu"]["profiles"] == ["gpu"]
    assert devices("servery-gpu")[0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize(
    ("profile", "ours"),
    [
        (None, "servery"),
        ("cpu", "servery"),
        ("gpu", "servery-gpu"),
        ("tracing", "servery-tracing"),
    ],
    ids=["up", "profile cpu", "profile gpu", "profile tracing"],
)
def test_one_of_them_is_started_and_no_port_is_taken_twice(
    profile: str | None, ours: str
) -> None:
    variables = dict(
        line.split("=")
        for line in (ROOT / ".env").read_text().splitlines()
        if not line.startswith("#")
    )
    chosen = profile or variables["COMPOSE_PROFILES"]
    started = [
        name
        for name, service in SERVICES.items()
        if chosen in service.get("profiles", [chosen])
    ]
    assert [name for name in started if name in OURS] == [ours]
    ports = [port.rpartition(":")[0] for n in started for port in SERVICES[n]["ports"]]
    assert len(set(ports)) == len(ports)


def test_prometheus_scrapes_the_service_under_its_name_here() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = (
        each for each in config["scrape_configs"] if each["job_name"] == "servery"
    )
    assert job["static_configs"] == [{"targets": ["servery:8000"]}]
    assert SERVICES["servery"]["ports"][0].endswith(":8000")
    for name in OURS[1:]:
        assert "servery" in SERVICES[name]["networks"]["default"]["aliases"]


def test_traces_go_to_jaeger_which_takes_and_shows_them_in_their_profile_only() -> None:
    config = yaml.safe_load((ROOT / "deploy/jaeger/jaeger.yaml").read_text())
    listener = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    given = SERVICES["servery-tracing"]["environment"]
    assert Settings(tracing=given["SERVERY_TRACING"]).tracing
    endpoint = given["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoint == f"http://jaeger:{listener.rpartition(':')[2]}"
    assert SERVICES["jaeger"]["profiles"] == ["tracing"]
    (option,) = SERVICES["jaeger"]["command"]
    folder, _, name = option.removeprefix("--config=").rpartition("/")
    source = {target: source for source, target in mounts("jaeger")}[folder]
    assert (ROOT / source / name).exists()


def test_prometheus_tells_alertmanager_which_reads_its_file() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (told,) = config["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    file, *_ = SERVICES["alertmanager"]["command"]
    folder, _, name = file.removeprefix("--config.file=").rpartition("/")
    source = {target: source for source, target in mounts("alertmanager")}[folder]
    assert (ROOT / source / name).exists()


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    providers = [
        provider["options"]["path"]
        for file in (folder / "dashboards").glob("*.yml")
        for provider in yaml.safe_load(file.read_text())["providers"]
    ]
    sources = [
        source["url"]
        for file in (folder / "datasources").glob("*.yml")
        for source in yaml.safe_load(file.read_text())["datasources"]
    ]
    mounted = {target for _, target in mounts("grafana")}
    assert providers
    assert set(providers) <= mounted
    assert sources == ["http://prometheus:9090"]


def mounts(name: str) -> list[tuple[str, str]]:
    """Source and target of each volume of a service."""
    return [
        (each["source"], each["target"])
        if isinstance(each, dict)
        else tuple(each.split(":")[:2])
        for each in SERVICES[name]["volumes"]
    ]


def seconds(duration: str) -> int:
    """Of a duration like 50s."""
    assert re.fullmatch(r"\d+s", duration)
    return int(duration.removesuffix("s"))
