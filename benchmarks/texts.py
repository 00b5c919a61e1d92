"""`python -m benchmarks.texts`: how fast texts are written, alone and together.

`write` makes a model of a real one's size, an LSTM of 512 units over 64 symbols, whose
weights nobody has trained; `measure` asks a service that runs. In turns: one stream,
then many together; and how long the first character takes when nobody else asks.
Characters are counted as they come.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np

from benchmarks.processes import cpu_seconds
from service.contract.integrity import hash_files
from service.contract.manifest import Manifest, write_manifest
from service.contract.saved_model import read_saved_model

UNITS, READS = 512, 200
ALPHABET = "".join(map(chr, range(32, 96)))
STEPS = 256  # of an output of the LSTM, to 1
SPAN = 2048  # of a gate's sum
TASK = {
    "kind": "text-generation",
    "symbols": ALPHABET,
    "max_prompt": READS,
    "max_length": 20_000,
    "logit_unit": 1 / 256,
}
PATH = "/v1/generate/untrained"
LENGTH = 400


@dataclass(slots=True)
class Seen:
    """What came of streams.

    Attributes:
        characters: Of all.
        seconds: From the first request to the last character.
        firsts: Seconds to each stream's first character.
        cpu_s: Of the service meanwhile, where it is known.
    """

    characters: int
    seconds: float
    firsts: list[float]
    cpu_s: float = 0.0


def build_module() -> Any:
    """`read` and `step` of an LSTM in whole numbers, as a `tf.Module`."""
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def whole(most: int, *shape: int) -> Any:
        return tf.constant(rng.integers(-most, most + 1, shape).astype(np.float32))

    entries, recurrent = whole(SPAN, 64, 4 * UNITS), whole(100, UNITS, 4 * UNITS)
    output, bias = whole(60, UNITS, 64), whole(500, 64)
    sums = np.arange(-SPAN, SPAN) / STEPS
    opening = tf.constant(np.rint(STEPS / (1 + np.exp(-sums))).astype(np.float32))
    bending = tf.constant(np.rint(STEPS * np.tanh(sums)).astype(np.float32))

    def look_up(table: Any, sums: Any) -> Any:
        places = tf.clip_by_value(sums, -SPAN, SPAN - 1) + SPAN
        return tf.gather(table, tf.cast(places, tf.int32))

    def move(state: Any, symbol: Any) -> Any:
        # whatever anybody sends is computed, and exactly: else it is not compiled
        known = tf.clip_by_value(symbol, 0, 63)
        state = tf.clip_by_value(tf.round(state), -SPAN, SPAN)
        hidden, cell = tf.minimum(state[:, :UNITS], STEPS), state[:, UNITS:]
        hidden = tf.maximum(hidden, -STEPS)
        sums = tf.round(hidden @ recurrent / 256) + tf.gather(entries, known)
        opened = look_up(opening, tf.gather(sums, [*range(3 * UNITS)], axis=1))
        add, keep, show = tf.split(opened, 3, 1)
        bent = look_up(bending, sums[:, 3 * UNITS :])
        cell = tf.round((keep * cell + add * bent) / STEPS)
        return tf.concat([tf.round(show * look_up(bending, cell) / STEPS), cell], 1)

    def answer(state: Any) -> dict[str, Any]:
        logits = tf.round(state[:, :UNITS] @ output / 32) + bias
        return {"state": state, "logits": tf.cast(logits, tf.int32)}

    def read(prompt: Any) -> dict[str, Any]:
        state = tf.zeros([1, 2 * UNITS]) + tf.cast(prompt[:, :1], tf.float32) * 0
        places = tf.range(1, READS + 1)
        longest = tf.reduce_max(tf.where(prompt >= 0, places, 0))

        def turn(place: Any, before: Any) -> tuple[Any, Any]:
            symbol = tf.gather(prompt, place, axis=1)
            after = move(before, symbol)
            return place + 1, tf.where(symbol[:, None] < 0, before, after)

        start = (tf.constant(0), state)
        _, state = tf.while_loop(lambda place, _: place < longest, turn, start)
        return answer(state)

    def step(symbol: Any, state: Any) -> dict[str, Any]:
        return answer(move(state, symbol))

    module, rows = tf.Module(), [None]
    prompt = tf.TensorSpec([None, READS], tf.int32, "prompt")
    symbols = tf.TensorSpec(rows, tf.int32, "symbol")
    states = tf.TensorSpec([None, 2 * UNITS], tf.float32, "state")
    module.read = tf.function(read, autograph=False, input_signature=[prompt])
    module.step = tf.function(step, autograph=False, input_signature=[symbols, states])
    return module


@click.group()
def cli() -> None:
    """Texts: how fast they are written."""


@cli.command()
@click.argument("artifacts", type=click.Path(path_type=Path))
def write(artifacts: Path) -> None:
    """Write the model `untrained` into a folder of ARTIFACTS."""
    import tensorflow as tf

    module, folder = build_module(), artifacts / "untrained" / "1"
    signatures = {"read": module.read, "step": module.step}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    manifest = Manifest.model_validate(
        {
            "name": "untrained",
            "version": 1,
            "task": TASK,
            "created": datetime.now(UTC),
            "description": "An LSTM of 512 units that has learnt nothing.",
            "signatures": read_saved_model(folder).signatures,
            "batch_sizes": (1, 2, 4, 8, 16, 32),
            "files": hash_files(folder),
        }
    )
    write_manifest(folder, manifest)


@cli.command()
@click.option("--url", default="http://127.0.0.1:8000", show_default=True)
@click.option("--streams", default=32, show_default=True, help="That are together.")
@click.option("--rounds", default=5, show_default=True, help="Of which the median.")
@click.option("--length", default=LENGTH, show_default=True, help="Of each text.")
@click.option("--path", default=PATH, show_default=True, help="Of who writes.")
@click.option("--pid", type=int, help="The service's first process, for CPU time.")
def measure(
    *, url: str, path: str, streams: int, rounds: int, length: int, pid: int | None
) -> None:
    """Print characters a second and the time to the first, medians of rounds.

    And, of a service on this machine, the CPU time of all its processes: on a machine
    that does something else besides, that says more than seconds do.
    """
    alone, together = list[Seen](), list[Seen]()
    for number in range(rounds + 1):  # the first one warms up
        for found, many in ((alone, 1), (together, streams)):
            before = cpu_seconds(pid) if pid else 0.0
            seen = asyncio.run(stream_together(url + path, many, length))
            seen.cpu_s = cpu_seconds(pid) - before if pid else 0.0
            if number:
                found.append(seen)
    firsts = [
        asyncio.run(stream_together(url + path, 1, 1)).firsts[0] for _ in range(50)
    ]
    for found, many in ((alone, 1), (together, streams)):
        rates = [each.characters / each.seconds for each in found]
        slowest = 1000 * median([max(each.firsts) for each in found])
        click.echo(
            f"{many:3} streams: {median(rates):8,.0f} characters/s "
            f"({min(rates):,.0f} to {max(rates):,.0f}); the last one's first character "
            f"after {slowest:.1f} ms"
        )
        if pid:
            costs = [1e6 * each.cpu_s / each.characters for each in found]
            click.echo(f"{many:3} streams: {median(costs):8,.0f} µs of CPU a character")
    ratio = median(
        [
            (many.characters / many.seconds) / (one.characters / one.seconds)
            for one, many in zip(alone, together, strict=True)
        ]
    )
    click.echo(f"together {ratio:.1f} times as many as alone")
    click.echo(
        f"first character, idle: {1000 * median(firsts):.1f} ms, "
        f"99 %: {1000 * float(np.percentile(firsts, 99)):.1f} ms"
    )


async def stream_together(url: str, streams: int, length: int) -> Seen:
    """Have so many texts written at once, each on a connection of its own."""
    where = urlsplit(url)
    assert where.hostname is not None
    both = [
        await asyncio.open_connection(where.hostname, where.port)
        for _ in range(streams)
    ]
    began = time.perf_counter()
    found = await asyncio.gather(
        *(
            _stream(*each, where.path, seed, length, began)
            for seed, each in enumerate(both)
        )
    )
    seconds = time.perf_counter() - began
    return Seen(sum(each[0] for each in found), seconds, [each[1] for each in found])


async def _stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    seed: int,
    length: int,
    began: float,
) -> tuple[int, float]:
    """Characters that came, and seconds to the first."""
    body = json.dumps({"length": length, "seed": seed}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        f"X-Request-Timeout-Ms: 60000\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    content, first = b"", 0.0
    while b"event: end" not in content:
        data = await reader.read(65_536)
        if not data:
            raise click.ClickException(f"the stream ended early: {content[-500:]!r}")
        content += data
        if not first and b'"index"' in content:
            first = time.perf_counter() - began
    writer.close()
    texts = [
        json.loads(line[6:])["text"]
        for line in content.split(b"\n")
        if line.startswith(b'data: {"index"') and b'"text"' in line
    ]
    return sum(map(len, texts)), first


if __name__ == "__main__":
    cli()
