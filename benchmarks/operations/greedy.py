"""`python -m benchmarks.operations.greedy`: how long a modest caller waits for others.

It and a greedy one are closed loops on connections of their own to a service that runs,
from 127.0.0.2 and 127.0.0.1: without API keys two callers. In turns: the modest one
alone, then beside the greedy one.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from urllib.parse import urlsplit

import click
import httpx
import numpy as np

from benchmarks.operations.figures import Figure, Found, at_most, none_of
from benchmarks.operations.stage import Stage
from service.contract.dtypes import numpy_dtype
from service.web.api.v2.datatypes import NAMES, to_raw

GREEDY, MODEST = "127.0.0.1", "127.0.0.2"
HEADER = "Inference-Header-Content-Length"
STEADY = "steady"  # a batch takes as long however many its rows
MODEL, ROWS, SECONDS, TURNS = "digits", 8, 10.0, 5
MOST_RATIO = 2.0  # of the modest one's p99 to what it is alone
WORD = b"It was better than I thought it would be."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    address: str  # from which
    connections: int  # each asks again as soon as it is answered
    request: bytes  # of HTTP, whole


@dataclass(slots=True)
class Seen:
    """What a caller saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of each 200

    def percentile_ms(self, share: float) -> float:
        """Milliseconds in which this share, in percent, of the 200s came."""
        return float(np.percentile(self.seconds, share)) * 1000


def infer_body(url: str, model: str, rows: int) -> tuple[bytes, int]:
    """An infer call's body by the Open Inference Protocol, and the size of its JSON.

    Its rows are of zeros, or of one text.
    """
    told = httpx.get(f"{url}/v2/models/{model}", trust_env=False).raise_for_status()
    inputs, raw = [], []
    for each in told.json()["inputs"]:
        shape = [rows, *(max(1, size) for size in each["shape"][1:])]
        dtype = numpy_dtype(NAMES[each["datatype"]])
        data = to_raw(np.full(shape, WORD if dtype.kind == "O" else 0, dtype))
        size = {"binary_data_size": len(data)}
        inputs.append({**each, "shape": shape, "parameters": size})
        raw.append(data)
    text = json.dumps({"inputs": inputs}).encode()
    return b"".join([text, *raw]), len(text)


def make_request(url: str, model: str, rows: int, *headers: str) -> bytes:
    """Such a call, whole."""
    body, length = infer_body(url, model, rows)
    head = [
        f"POST /v2/models/{model}/infer HTTP/1.1", "Host: localhost",
        f"Content-Length: {len(body)}", f"{HEADER}: {length}", *headers, "", "",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + body


async def ask(url: str, caller: Caller, seconds: float) -> Seen:
    """Have a caller ask for so long."""
    seen, end = Seen(), time.monotonic() + seconds
    await asyncio.gather(
        *(_ask(url, caller, seen, end) for _ in range(caller.connections))
    )
    return seen


async def ask_beside(
    url: str, modest: Caller, greedy: Caller, seconds: float
) -> tuple[Seen, Seen]:
    """Have both ask, the modest one where the greedy one has begun."""
    pressing = asyncio.create_task(ask(url, greedy, seconds + 2))
    await asyncio.sleep(1)
    return await ask(url, modest, seconds), await pressing


async def _ask(url: str, caller: Caller, seen: Seen, end: float) -> None:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        where.hostname, where.port, local_addr=(caller.address, 0)
    )
    while time.monotonic() < end:
        began = time.perf_counter()
        writer.write(caller.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        status = int(head.split()[1])
        seen.statuses[status] += 1
        if status == httpx.codes.OK:
            seen.seconds.append(time.perf_counter() - began)
        else:
            await asyncio.sleep(0.01)  # or refusals would be all that it does
    writer.close()


def show(name: str, seen: Sequence[Seen]) -> str:
    """A line: the medians of several turns, and all statuses."""
    p50, p99 = (
        median([each.percentile_ms(share) for each in seen]) for share in (50, 99)
    )
    statuses = sum([each.statuses for each in seen], Counter[int]())
    counts = ", ".join(f"{count} × {status}" for status, count in statuses.items())
    return f"{name:22} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   {counts}"


def greedy_client(stage: Stage) -> Found:
    """The modest caller alone and beside the greedy one, in turns, of two models."""
    from benchmarks.synthetic import write_steady  # TensorFlow, which takes seconds

    artifacts = stage.link(MODEL)
    write_steady(artifacts / STEADY / "1")
    seconds = max(2.0, stage.scale * SECONDS)
    with stage.serving(artifacts) as service, stage.aside() as pool:
        figures = []
        for model, rows in ((STEADY, 16), (MODEL, ROWS)):
            url = service.url()
            greedy = Caller(GREEDY, 64, make_request(url, model, rows))
            modest = Caller(MODEST, 4, make_request(url, model, 1))
            asked = pool.submit(in_turns, url, modest, greedy, seconds, TURNS)
            alone, beside, pressing = asked.result()
            figures += _judge(model, alone, beside)
            refused = sum(each.statuses[503] for each in pressing)
            figures.append(
                Figure(f"{model}: requests of the greedy one refused", refused)
            )
    return Found(figures)


def _judge(model: str, alone: Sequence[Seen], beside: Sequence[Seen]) -> list[Figure]:
    """Where a batch takes longer by its rows, no more is promised than an answer."""
    ratio = median(compare(alone, beside))
    before, after = (
        median([each.percentile_ms(99) for each in turns]) for turns in (alone, beside)
    )
    failed = sum(each.statuses.total() - each.statuses[200] for each in beside)
    said = f"{model}: p99 beside to alone, the median of the turns"
    return [
        Figure(f"{model}: the modest one alone, p99, ms", before),
        Figure(f"{model}: the modest one beside the greedy one, p99, ms", after),
        at_most(said, ratio, MOST_RATIO) if model == STEADY else Figure(said, ratio),
        none_of(f"{model}: requests of the modest one that failed", failed),
    ]


def in_turns(
    url: str, modest: Caller, greedy: Caller, seconds: float, turns: int
) -> tuple[list[Seen], list[Seen], list[Seen]]:
    """What each saw in each turn: the modest one alone, beside; the greedy one."""
    alone, beside, pressing = list[Seen](), list[Seen](), list[Seen]()
    for _ in range(turns):
        alone.append(asyncio.run(ask(url, modest, seconds)))
        both = asyncio.run(ask_beside(url, modest, greedy, seconds))
        beside.append(both[0])
        pressing.append(both[1])
    return alone, beside, pressing


def compare(alone: Sequence[Seen], beside: Sequence[Seen]) -> list[float]:
    """The p99 beside somebody to that alone, of each turn."""
    pairs = zip(beside, alone, strict=True)
    return [one.percentile_ms(99) / other.percentile_ms(99) for one, other in pairs]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--url", default="http://127.0.0.1:8000", show_default=True)
@click.option("--model", default=MODEL, show_default=True)
@click.option("--connections", default=48, show_default=True, help="The greedy one's.")
@click.option(
    "--rows", default=ROWS, show_default=True, help="Of each of its requests."
)
@click.option("--modest", default=4, show_default=True, help="The other's connections.")
@click.option("--seconds", default=SECONDS, show_default=True, help="Of each turn.")
@click.option("--turns", default=TURNS, show_default=True)
@click.option("--bulk", is_flag=True, help="The greedy one says that it can wait.")
def main(
    *,
    url: str,
    model: str,
    connections: int,
    rows: int,
    modest: int,
    seconds: float,
    turns: int,
    bulk: bool,
) -> None:
    """Measure how long a modest caller waits, alone and beside a greedy one."""
    said = ["X-Priority: bulk"] if bulk else []
    greedy = Caller(GREEDY, connections, make_request(url, model, rows, *said))
    modest_one = Caller(MODEST, modest, make_request(url, model, 1))
    alone, beside, pressing = in_turns(url, modest_one, greedy, seconds, turns)
    ratios = compare(alone, beside)
    click.echo(show("modest, alone", alone))
    click.echo(show("modest, beside greedy", beside))
    click.echo(show("greedy", pressing))
    click.echo(
        f"p99 beside to alone: {median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
