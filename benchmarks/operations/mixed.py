"""A million mixed requests, over all models and protocols: nothing grows."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.operations.figures import Figure, Found, at_most, none_of
from benchmarks.operations.greedy import HEADER, infer_body
from benchmarks.operations.members import Member, look
from benchmarks.operations.stage import LONG_S, Stage, failed, summary
from benchmarks.rpc_load import run_rpc_load
from benchmarks.servers import HOST, free_port
from benchmarks.subjects import ARTIFACTS
from benchmarks.tensor_bodies import ways_to_digits
from loadtest.load import Load
from loadtest.results import Results
from loadtest.summary import MIB
from loadtest.target import Target
from loadtest.workers import Tick
from loadtest.workloads import WORKLOADS, Body, Declared, ImageForm

REQUESTS = 1_000_000
CONNECTIONS = 32
MOST_GROWTH = 2.0  # percent, of each process, from a tenth of the requests to all
STEPS = 10  # times at which memory is looked at
# A client of gRPC in Python costs as much as the service: it speaks now and then.
RPC_S, PAUSE_S = 2.0, 26.0
WEIGHTS = {"digits": 30.0, "party": 15.0, "mammogram": 15.0, "sentiment": 2.0}
# What takes long comes seldom, by every protocol: else a million would take hours.
OTHERS = {
    "clothing": 0.3, "spoken": 0.3, "clothing_gan": 0.2, "clothing_vae": 0.2,
    "writer": 0.1, "photo": 0.05, "cells": 0.05,
}  # fmt: skip
USUAL = 4.0  # the weight of what is in none of these tables
MANY = {"clothing_vae", "writer"}  # whose signatures have to be named
OCTETS = "application/octet-stream"


def mixed_requests(stage: Stage) -> Found:
    """Send them as fast as they are answered, and look at every process ten times.

    The client needs little, so the service has all cores.
    """
    port, goal = free_port(), max(2000, round(stage.scale * REQUESTS))
    settings = {"grpc_port": port}
    with stage.everywhere(), stage.serving(ARTIFACTS, settings) as service:
        load, rpc = make_load(service.url()), Rpc(f"{HOST}:{port}")
        seen, loaded, sent = list[dict[str, Member]](), list[float](), 0

        def count(_: float, ticks: Sequence[Tick]) -> None:
            nonlocal sent
            sent += sum(len(each.results) for each in ticks)
            while len(seen) < STEPS and sent >= (len(seen) + 1) * goal / STEPS:
                with rpc.quiet:  # whose connections would be counted
                    seen.append(look(service.process.pid))
                loaded.append(_load_seconds(service.url()))
            if len(seen) == STEPS:
                stage.workers.stop()

        with stage.aside() as pool:
            speaking = pool.submit(rpc.speak)
            outcome = stage.workers.run(load, count)
            rpc.over.set()
            speaking.result()
        restarts = (
            Target(service.url()).snapshot().total("servery_process_restarts_total")
        )
    results, tail = outcome.results, summary(outcome.results)
    return Found(
        [
            Figure("requests by HTTP", len(results)),
            Figure("requests by gRPC", rpc.answered),
            none_of("of both, failed", sum(failed(results).values()) + rpc.failed),
            Figure("seconds", outcome.seconds),
            Figure("p99 by HTTP, ms", 1000 * tail.percentile(99)),
            *judge_members(seen),
            none_of("versions loaded or compiled meanwhile", len({*loaded}) - 1),
            none_of("processes that were replaced", restarts),
        ],
        {
            "failed": failed(results),
            "mix": {name: round(share, 4) for name, share in load.mix.items()},
            "pss": {name: [each[name].pss for each in seen if name in each]
                    for name in seen[0]},
            "asked": _count(results),
        },
    )  # fmt: skip


def judge_members(seen: Sequence[Mapping[str, Member]]) -> list[Figure]:
    """Each process at the first look beside the last: what it holds has not grown."""
    first, last = seen[0], seen[-1]
    figures = [none_of("processes that came or went", len({*first} ^ {*last}))]
    for name in sorted({*first} & {*last}):
        before, after = first[name], last[name]
        grown = 100 * (after.pss / before.pss - 1)
        said = (
            f"{name}: {before.pss / MIB:.1f} MiB (PSS) at a tenth; more by the end, %"
        )
        figures.append(at_most(said, grown, MOST_GROWTH))
    for kind in ("descriptors", "threads"):
        more = [
            getattr(last[n], kind) - getattr(first[n], kind) for n in first if n in last
        ]
        figures.append(at_most(f"{kind} more by the end, of any process", max(more), 0))
    return figures


@dataclass(slots=True)
class Rpc:
    """Digits by both protocols of gRPC, now and then."""

    address: str
    quiet: threading.Lock = field(default_factory=threading.Lock)  # not held: silent
    over: threading.Event = field(default_factory=threading.Event)
    answered: int = 0
    failed: int = 0

    def speak(self) -> None:
        """Until it is over."""
        ways = [way for way in ways_to_digits().values() if way.rpc]
        while not self.over.is_set():
            for way in ways:
                with self.quiet:
                    asked = run_rpc_load(self.address, way.path, way.bodies, 2, RPC_S)
                self.answered += asked.requests
                self.failed += asked.errors.get("status", 0)
            self.over.wait(PAUSE_S)


def make_load(url: str) -> Load:
    """All ready models by every protocol of HTTP, in a closed loop."""
    target = Target(url)
    ready = target.ready_models()
    ways = {
        **target.declared(ready),
        **{f"{name}, V2": _by_v2(url, name) for name in ready if name not in MANY},
        **_digits_in_other_words(),
    }
    typed = [each for each in WORKLOADS.values() if {*each.needs} & {*ready}]
    names = [*(each.name for each in typed), *ways]
    weights = {name: _weigh(name) for name in names}
    total = sum(weights.values())
    mix = {name: weight / total for name, weight in weights.items()}
    return Load(
        *(url, mix, ready, LONG_S),
        connections=CONNECTIONS,
        declared=ways,
        images=ImageForm.MULTIPART,
    )


def _weigh(name: str) -> float:
    model, _, protocol = name.partition(", ")
    weight = (WEIGHTS | OTHERS).get(model, USUAL)
    return min(weight, USUAL) if protocol else weight


def _by_v2(url: str, model: str) -> Declared:
    body, length = infer_body(url, model, 1)
    headers = ((HEADER, str(length)),)
    return Declared(f"/v2/models/{model}/infer", (Body(body, OCTETS, headers),))


def _digits_in_other_words() -> dict[str, Declared]:
    """V2 and TensorFlow Serving's in JSON, a picture as it is, Hugging Face's."""
    ways = {
        f"digits, {name}": Declared(way.path, tuple(
            Body(each, way.media_type, tuple(way.headers.items()))
            for each in way.bodies
        ))
        for name, way in ways_to_digits().items()
        if not way.rpc
    }  # fmt: skip
    pictures = tuple(WORKLOADS["digits"].make(("digits",), ImageForm.RAW))
    return ways | {"digits, Hugging Face": Declared("/hf/digits", pictures)}


def _count(results: Results) -> dict[str, int]:
    counts = Counter(results.rows["workload"].tolist())
    return {name: counts[number] for number, name in enumerate(results.workloads)}


def _load_seconds(url: str) -> float:
    """Changes whenever a version is loaded or warmed."""
    metrics = Target(url).snapshot()
    steps = ("load", "warm")
    return sum(metrics.total(f"servery_model_{step}_seconds") for step in steps)
