"""What the clients are asked to do: the order that every client process gets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.arrivals import Arrivals, schedule
from loadtest.mix import Mix
from loadtest.rates import Floats, Rates
from loadtest.workloads import WORKLOADS, Body, ImageForm

TIMEOUT_HEADER = "x-request-timeout-ms"


@dataclass(frozen=True, slots=True)
class Load:
    """One load test, whatever the number of client processes.

    Attributes:
        url: Of the service, without a path.
        mix: Workloads by name, with their shares, which add up to 1.
        models: That are ready.
        duration_s: The time in which requests are sent, warm-up and all.
        warmup_s: The first part of it, which is in no figure.
        rates: Of an open loop; None for a closed one.
        arrivals: Of an open loop.
        connections: Of a closed loop, each of which sends when it has its answer; of
            an open one, how many requests may be under way before one is not sent.
        timeout_s: After which a request is given up.
        deadline_s: After which an answer is worth nothing; the service is told.
        images: How pictures are sent.
        seed: Of the times and the order of the requests.
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

    def bodies(self) -> list[list[Body]]:
        """For each workload of the mix, in its order, what may be sent."""
        return [WORKLOADS[name].make(self.models, self.images) for name in self.mix]

    def headers(self) -> dict[str, str]:
        """What every request carries beside its content."""
        if self.deadline_s is None:
            return {}
        return {TIMEOUT_HEADER: str(max(1, round(1000 * self.deadline_s)))}


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a load that one of several processes sends.

    Attributes:
        load: The whole of it.
        index: Of the process, from 0.
        processes: How many there are.
    """

    load: Load
    index: int = 0
    processes: int = 1

    def connections(self) -> int:
        """Of this process; over all of them they add up."""
        whole, rest = divmod(self.load.connections, self.processes)
        return whole + (self.index < rest)

    def schedule(self) -> Floats:
        """When this process is meant to send, float64 (requests,), in seconds.

        Every process draws the whole schedule and takes each n-th: together they send
        the same requests at the same times, however many they are.
        """
        load = self.load
        if load.rates is None:
            raise ValueError("expected an open loop, received a closed one")
        rng = np.random.default_rng([load.seed, 0])
        return schedule(load.rates, load.arrivals, rng)[self.index :: self.processes]
