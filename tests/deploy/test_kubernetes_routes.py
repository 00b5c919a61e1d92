"""What the open network reaches is what callers need, by Ingress and by Gateway."""

import json
from pathlib import Path

import pytest

from service.settings import Settings
from tests.deploy.kustomize import Resource, render

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi.json").read_text())
FOR_PEOPLE_INSIDE = ("/v1/admin", "/v2/repository", "/metrics", "/livez", "/readyz")

Path_ = tuple[bool, str]
"""Whether it stands for all below it, and the path."""


def by_ingress() -> list[Path_]:
    (rule,) = ingress()["rules"]
    return [
        (each["pathType"] == "Prefix", each["path"]) for each in rule["http"]["paths"]
    ]


def by_gateway() -> list[Path_]:
    (rule,) = route()["rules"]
    paths = [each["path"] for each in rule["matches"]]
    return [(each["type"] == "PathPrefix", each["value"]) for each in paths]


def ingress() -> Resource:
    spec: Resource = render("base and ingress")["Ingress"]["spec"]
    return spec


def route() -> Resource:
    spec: Resource = render("base and gateway")["HTTPRoute"]["spec"]
    return spec


def let_through(paths: list[Path_], asked: str) -> bool:
    return any(
        asked == path or (below and asked.startswith(f"{path}/"))
        for below, path in paths
    )


def test_both_let_the_same_through() -> None:
    assert by_ingress() == by_gateway()


def test_every_call_is_reached_but_those_of_operators() -> None:
    paths = by_ingress()
    for asked in DOCUMENT["paths"]:
        inside = asked.startswith(FOR_PEOPLE_INSIDE)
        assert let_through(paths, asked) is not inside, asked
    assert not let_through(paths, "/docs")


@pytest.mark.parametrize("name", ["ingress", "gateway"])
def test_what_comes_in_goes_to_the_service(name: str) -> None:
    service = render(f"base and {name}")["Service"]
    (port,) = service["spec"]["ports"]
    if name == "ingress":
        backends = [
            each["backend"]["service"]
            for each in ingress()["rules"][0]["http"]["paths"]
        ]
        expected = {"name": "servery", "port": {"name": port["name"]}}
    else:
        backends = route()["rules"][0]["backendRefs"]
        expected = {"name": "servery", "port": port["port"]}
    assert service["metadata"]["name"] == "servery"
    assert backends == [expected] * len(backends)


def test_the_gateway_waits_as_long_as_a_caller_may_ask() -> None:
    (rule,) = route()["rules"]
    longest_s = Settings().max_timeout_ms // 1000
    assert rule["timeouts"]["request"] == f"{longest_s}s"
