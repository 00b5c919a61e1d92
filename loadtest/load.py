"""What the client processes are to send: endpoints, proportions, rates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import click
import numpy as np

from loadtest.arrivals import Arrivals, Floats, Rates, schedule
from loadtest.workloads import WORKLOADS, Body, Declared, ImageForm
from servery.trust import Trust

TIMEOUT_HEADER = "x-request-timeout-ms"

Mix = dict[str, float]
"""Workloads by name, with the share of each; the shares add up to 1."""


class MixError(click.UsageError):
    """A mix that cannot be read, or not be sent to this service."""


def parse_mix(text: str, known: Collection[str] = WORKLOADS) -> Mix:
    """Read `digits=60,sentiment=20`, or raise MixError; a name alone weighs 1."""
    weights: Mix = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in known:
            names = ", ".join(known)
            raise MixError(f"mix: expected one of {names}, received {name!r}")
        if name in weights:
            raise MixError(f"mix: {name} is named twice in {text!r}")
        try:
            weights[name] = float(number or 1)
        except ValueError:
            weights[name] = 0.0
        if not 0 < weights[name] < float("inf"):
            raise MixError(
                f"mix: {name}: expected a number above 0, received {number!r}"
            )
    return _shares(weights)


def default_mix(ready: Collection[str], declared: Collection[str] = ()) -> Mix:
    """Every workload that has a model ready, by its weight; MixError if none has.

    Args:
        ready: Models.
        declared: Those that declare their task; each weighs 1.
    """
    known = [each for each in WORKLOADS.values() if set(each.needs) & set(ready)]
    weights = {each.name: each.weight for each in known} | dict.fromkeys(declared, 1.0)
    if not weights:
        raise MixError("the service has no model ready that a workload is for")
    return _shares(weights)


def check_ready(mix: Mapping[str, float], ready: Collection[str]) -> None:
    """Raise MixError if the mix asks for a model that is not ready."""
    for name in mix.keys() & WORKLOADS.keys():
        needs, known = WORKLOADS[name].needs, ", ".join(sorted(ready)) or "none"
        if not set(needs) & set(ready):
            raise MixError(
                f"mix: {name} needs the model {' or '.join(needs)}; ready are {known}"
            )


def show_mix(mix: Mapping[str, float]) -> str:
    """As a person reads it: `digits 60 %, sentiment 20 %`."""
    return ", ".join(f"{name} {100 * share:.3g} %" for name, share in mix.items())


def _shares(weights: Mix) -> Mix:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


@dataclass(frozen=True, slots=True)
class Load:
    """One load test, whatever the number of client processes.

    Attributes:
        url: Of the service, without a path.
        models: That are ready.
        declared: What is sent to models that are in no workload, and declare their
            task.
        duration_s: The time in which requests are sent, warm-up included.
        warmup_s: The first part of it, which is in no figure.
        rates: Of an open loop; None for a closed one.
        connections: Of a closed loop, each of which sends when it has its answer; in
            an open one, how many requests may be in flight before one is not sent.
        timeout_s: After which a request is given up.
        deadline_s: After which an answer is worthless; the service is told.
        seed: Of the times and the order of the requests.
        api_key: Shown with every request, where the service asks for one.
        trust: Whom, where it speaks TLS.
    """

    url: str
    mix: Mix
    models: Sequence[str]
    duration_s: float
    warmup_s: float = 0.0
    rates: Rates | None = None
    arrivals: Arrivals = Arrivals.POISSON
    connections: int = 32
    timeout_s: float = 10.0
    deadline_s: float | None = None
    images: ImageForm = ImageForm.RAW
    seed: int = 0
    declared: Mapping[str, Declared] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)
    trust: Trust = field(default_factory=Trust)

    def at(self, rates: Rates) -> "Load":
        """The same as an open loop at these rates, warm-up included."""
        return replace(self, rates=rates, duration_s=rates.duration_s)

    def bodies(self) -> list[list[Body]]:
        """For each workload of the mix, in its order, what may be sent."""
        return [
            [*self.declared[name].bodies]
            if name in self.declared
            else WORKLOADS[name].make(self.models, self.images)
            for name in self.mix
        ]

    def path(self, name: str) -> str:
        """Where the requests of a workload go."""
        known = self.declared.get(name) or WORKLOADS[name]
        return known.path

    def headers(self) -> dict[str, str]:
        """What every request carries besides its content."""
        headers = {"x-api-key": self.api_key} if self.api_key else {}
        if self.deadline_s is not None:
            headers[TIMEOUT_HEADER] = str(max(1, round(1000 * self.deadline_s)))
        return headers

    def __str__(self) -> str:
        if self.rates is None:
            kind = f"closed loop, {self.connections} connections"
        else:
            heights = dict.fromkeys(round(rate, 1) for rate in self.rates.rates)
            shown = " → ".join(f"{rate:g}" for rate in heights)
            kind = f"open loop, {self.arrivals} arrivals, {shown} requests/s"
        return f"{kind}, {self.duration_s:g} s; {show_mix(self.mix)}"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a load that process `index` (from 0) of several sends."""

    load: Load
    index: int = 0
    processes: int = 1

    def connections(self) -> int:
        """Of this process; over all of them they add up."""
        whole, rest = divmod(self.load.connections, self.processes)
        return whole + (self.index < rest)

    def schedule(self) -> Floats:
        """When this process is meant to send, float64 (requests,), in seconds.

        Every process draws the whole schedule and takes each n-th time: together they
        send the same requests at the same times, however many they are.
        """
        load = self.load
        if load.rates is None:
            raise ValueError("expected an open loop, received a closed one")
        rng = np.random.default_rng([load.seed, 0])
        return schedule(load.rates, load.arrivals, rng)[self.index :: self.processes]
