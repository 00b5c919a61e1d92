"""Servery on a real Ray Serve: killed under load, scaled, drained, watched."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.ray_cluster import cluster, needs_ray

pytestmark = [
    needs_ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray's own
    pytest.mark.timeout(1800),  # Ray is large, and this machine may be busy,
]
__all__ = ["cluster"]

PATIENCE_S = 600.0
ARTIFACTS = Path(__file__).parents[2] / "artifacts"
SINE = {"record": {"x": 1.5}}
PARTY = {"votes": {"physician-fee-freeze": "nay"}}
ABOUT_ONE = pytest.approx(0.9975, abs=0.01)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    for name in ("sine", "party"):
        (folder / name).symlink_to(ARTIFACTS / name)
    return folder


@contextmanager
def serving(artifacts: Path, **options: Any) -> Iterator[httpx.Client]:
    """The application, at an address of its own, until it is taken away."""
    from ray import serve
    from ray.serve.config import HTTPOptions

    from deploy.ray.app import Options, servery

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVERY_ARTIFACTS", str(artifacts))
        patch.setenv("SERVERY_DRAIN_TIMEOUT_S", "10")
        patch.setenv("SERVERY_DECODERS", "2")
        patch.setenv("SERVERY_TIMEOUT_MS", "60000")  # whatever else this machine does
        serve.start(http_options=HTTPOptions(host="127.0.0.1", port=18_000))
        chosen = {"cpus": 0.3, "metrics_interval_s": 0.5, **options}
        serve.run(servery(Options(**chosen)))
    try:
        with httpx.Client(base_url="http://127.0.0.1:18000", timeout=300) as client:
            yield client
    finally:
        serve.delete("default")


def ask(client: httpx.Client, model: str = "sine", **more: Any) -> httpx.Response:
    return client.post(f"/v1/predict/{model}", **{"json": SINE, **more})


def replicas() -> list[int]:
    """The processes of all replicas."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if "ray::ServeReplica" in " ".join(each.info["cmdline"] or [])
    ]


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what Ray will have done sooner or later."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "Ray has not done it"
        time.sleep(0.2)


class Load:
    """Callers that ask until they are told to stop, and what became of it."""

    def __init__(self, client: httpx.Client, callers: int):
        self._client, self._stop = client, threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                answer = ask(self._client)
                self.outcomes[str(answer.status_code)] += 1
                if answer.status_code == 200:
                    assert answer.json()["predictions"][0]["value"] == ABOUT_ONE
            except httpx.HTTPError as error:
                self.outcomes[type(error).__name__] += 1


@pytest.fixture(scope="module")
def client(cluster: str, artifacts: Path) -> Iterator[httpx.Client]:
    with serving(artifacts, min_replicas=2, max_replicas=2) as found:
        until(lambda: len(replicas()) == 2)
        yield found


def test_every_call_that_servery_has_is_there(client: httpx.Client) -> None:
    assert ask(client).json()["predictions"][0]["value"] == ABOUT_ONE
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/v1/models/sine").json()["name"] == "sine"
    assert client.get("/docs").status_code == 200
    refused = ask(client, json={"record": {"y": 1}})
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_input"
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


def test_a_replica_that_is_killed_takes_its_own_requests_only(
    client: httpx.Client,
) -> None:
    callers, before = 8, set(replicas())
    with Load(client, callers) as load:
        until(lambda: load.outcomes["200"] > 50)
        os.kill(next(iter(before)), signal.SIGKILL)
        until(lambda: len(set(replicas()) - before) == 1)  # a new one is there
        answered = load.outcomes["200"]
        until(lambda: load.outcomes["200"] > answered + 50)
    lost = {word: n for word, n in load.outcomes.items() if word != "200"}
    assert sum(lost.values()) <= callers, load.outcomes  # what it had under way


def test_its_metrics_stand_beside_those_of_ray(
    client: httpx.Client, cluster: str
) -> None:
    ask(client)
    found: list[str] = []

    def find() -> bool:
        lines = httpx.get(cluster, timeout=30).text.splitlines()
        found[:] = [
            line for line in lines if line.startswith("ray_servery_version_rows_total{")
        ]
        return bool(found)

    until(find)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', found[0]))
    assert (labels["model"], labels["version"]) == ("sine", "2")
    assert labels["deployment"] == "servery"
    assert labels["replica"]


def test_an_application_that_goes_answers_what_it_has(
    cluster: str, client: httpx.Client
) -> None:
    from ray import serve

    with Load(client, 4) as load:
        until(lambda: load.outcomes["200"] > 20)
        serve.delete("default")
    lost = load.outcomes.keys() - {"200", "404", "503"}
    assert not lost, load.outcomes  # nothing was cut off
    assert replicas() == []


def test_replicas_come_with_load_and_go_without(cluster: str, artifacts: Path) -> None:
    options = {
        "max_replicas": 2,
        "ongoing_requests": 1,
        "upscale_delay_s": 0,
        "downscale_delay_s": 1,
    }
    with serving(artifacts, **options) as client:
        assert len(replicas()) == 1
        with Load(client, 8) as load:
            until(lambda: len(replicas()) == 2)
        until(lambda: len(replicas()) == 1)
        assert {*load.outcomes} == {"200"}, load.outcomes
        assert ask(client).status_code == 200


def test_a_replica_holds_the_models_that_are_asked_and_no_more(
    cluster: str, artifacts: Path
) -> None:
    with serving(artifacts, models_per_replica=1, max_replicas=1) as client:

        def ready() -> list[str]:
            models = client.get("/v1/models").json()["models"]
            return [each["name"] for each in models if each["default_version"]]

        assert ready() == []
        assert ask(client).json()["predictions"][0]["value"] == ABOUT_ONE
        party = ask(client, "party", json=PARTY)
        assert party.json()["predictions"][0]["party"] == "democrat"
        assert ask(client, "nobody").status_code == 404
        header = {"serve_multiplexed_model_id": "sine"}
        again = ask(client, headers=header).json()
        assert again["predictions"][0]["value"] == ABOUT_ONE
        until(lambda: ready() == ["sine"])
