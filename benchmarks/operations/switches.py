"""A week's worth of version switches under load, and no caller notices."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import httpx

from benchmarks.operations.figures import Figure, Found, at_most, none_of
from benchmarks.operations.members import Member, look
from benchmarks.operations.stage import PATIENCE_S, Stage, failed, publish, summary
from benchmarks.servers import Running, wait_for
from benchmarks.subjects import ARTIFACTS
from loadtest.target import Target
from loadtest.workloads import WORKLOADS, ImageForm

SWITCHES = 500
LABEL = "/v1/admin/models/digits/labels/stable"
TOKEN = "only-for-this-drill"  # of a service that nobody else reaches
SOURCE = ARTIFACTS / "digits" / "1"
MIX = {"digits": 1.0}
PUBLISHED = 0.1  # share of the switches to what is new, and compiled; the rest: labels
GROWTH = 10  # percent, from the first tenth of the switches to the last


@dataclass(slots=True)
class Digits:
    """A model whose versions come and go, and the service that serves them."""

    stage: Stage
    service: Running
    newest: int = 2

    def move(self, version: int) -> None:
        """Have a version answer that is loaded for it."""
        self._say("PUT", f"?version={version}")
        self._see(version)

    def replace(self) -> None:
        """Publish a version, and delete the one that answered."""
        home, old = self.stage.artifacts / "digits", self.newest
        self.newest += 1
        publish(SOURCE, home, self.newest)
        self._see(self.newest)
        shutil.rmtree(home / str(old))

    def forget(self) -> None:
        """Have the newest version answer from now on, whatever was said before."""
        self._say("DELETE")
        self._see(self.newest)
        shutil.rmtree(self.stage.artifacts / "digits" / "1")

    def _say(self, method: str, query: str = "") -> None:
        """Until it is done: a version that is just about to retire refuses."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = self.service.url(LABEL + query)

        def is_done() -> bool:
            said = httpx.request(
                method, url, headers=headers, timeout=PATIENCE_S, trust_env=False
            )
            if said.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                said.raise_for_status()
            return said.is_success

        wait_for(is_done, "a label to move")

    def _see(self, version: int) -> None:
        body = WORKLOADS["digits"].make(("digits",), ImageForm.RAW)[0]
        url, headers = "/v1/predict/digits", {"content-type": body.media_type}
        with httpx.Client(
            base_url=self.service.url(), trust_env=False, timeout=PATIENCE_S
        ) as client:

            def answers() -> bool:
                answer = client.post(url, content=body.content, headers=headers)
                return bool(answer.raise_for_status().json()["version"] == version)

            wait_for(answers, f"digits {version} to answer")


def version_switches(stage: Stage) -> Found:
    """Move a label from version to version, then publish and delete, under load."""
    switches = max(10, round(stage.scale * SWITCHES))
    for version in (1, 2):
        publish(SOURCE, stage.artifacts / "digits", version)
    settings = {
        "versions_kept": 1,
        "poll_seconds": 0.2,
        "retire_delay_s": 0.5,
        "admin_token": TOKEN,
    }
    seen, took_s = list[dict[str, Member]](), list[float]()
    with stage.serving(stage.artifacts, settings) as service:
        digits = Digits(stage, service)

        def time_one(act: Callable[[], None]) -> None:
            began = time.monotonic()
            act()
            took_s.append(time.monotonic() - began)
            if len(took_s) in (switches // 10, switches):
                seen.append(look(service.process.pid))

        def switch() -> None:
            published = round(PUBLISHED * switches)
            for number in range(switches - published):
                time_one(partial(digits.move, 1 + number % 2))
            digits.forget()
            for _ in range(published):
                time_one(digits.replace)

        during, _ = stage.meanwhile(stage.light(service.url(), 3600, MIX), switch)
        metrics = Target(service.url()).snapshot()
    ordered = sorted(took_s)
    grown_most, grown = _growth(*seen)
    return Found(
        [
            Figure("switches, each seen to answer", len(took_s)),
            Figure("one, at the median, s", ordered[len(ordered) // 2]),
            Figure("one, at most, s", ordered[-1]),
            Figure("requests meanwhile", len(during)),
            none_of("of those, failed", sum(failed(during).values())),
            Figure("p99, ms", 1000 * summary(during).percentile(99)),
            none_of(
                "processes that were replaced",
                metrics.total("servery_process_restarts_total"),
            ),
            at_most(
                f"memory (PSS) of {grown_most}, which grew most, more by the end than "
                "after a tenth of them, %",
                *(grown, GROWTH),
            ),
        ],
        {"failed": failed(during)},
    )


def _growth(
    before: Mapping[str, Member], after: Mapping[str, Member]
) -> tuple[str, float]:
    """The process that has grown most, and by how many percent.

    That of TensorFlow comes and goes with versions that it has to load.
    """
    grown = {
        name: 100 * (after[name].pss / each.pss - 1)
        for name, each in before.items()
        if name in after and not name.startswith("tensorflow")
    }
    return max(grown.items(), key=lambda pair: pair[1])
