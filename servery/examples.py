"""Whether a version answers the examples of its declaration as these say.

The service itself is asked, without a network: the request is read and the answer made
as they will be, and the version that was written computes in the engine's place.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import tensorflow as tf
from prometheus_client import CollectorRegistry

from servery.saved_model import Call, as_array
from servery.versions import ExportRefused
from service.contract.contract import Contract, from_manifest
from service.contract.golden import TOLERANCE
from service.contract.manifest import Manifest
from service.contract.task import Example
from service.engine.batching.tensors import Tensors
from service.engine.instant import InstantEngine
from service.errors import ModelFailed
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.state import AppState
from service.wording import show

NAME = "exported"  # none of ours, whose endpoints are their own
TIMEOUT_MS = 60_000  # for one example, on a machine that has just trained


def check_examples(manifest: Manifest, reloaded: Mapping[str, Call]) -> None:
    """Ask a version for each example of its declaration.

    Args:
        manifest: Of the version.
        reloaded: Its signatures, loaded.

    Raises:
        ExportRefused: An example is refused, or answered otherwise than it says.
    """
    task = manifest.task
    if task is None or isinstance(task, str) or not task.examples:
        return
    work = _ask(manifest.model_copy(update={"name": NAME}), reloaded, task.examples)
    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop of its own
        answers = thread.submit(asyncio.run, work).result()
    for number, (example, answer) in enumerate(
        zip(task.examples, answers, strict=True)
    ):
        _check(f"task.examples.{number} ({example.title})", example, answer)


async def _ask(
    manifest: Manifest, calls: Mapping[str, Call], examples: Sequence[Example]
) -> list[httpx.Response]:
    settings = Settings(timeout_ms=TIMEOUT_MS, grpc_port=0)
    metrics, contract = Metrics(CollectorRegistry()), from_manifest(manifest)
    engine = InstantEngine(manifest, partial(_compute, contract, calls))
    state = AppState(settings, engine, metrics)
    transport = httpx.ASGITransport(create_app(state))
    endpoint = state.tasks.find(contract)
    assert endpoint is not None  # it declares a task  # noqa: S101
    path = endpoint.path(NAME)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://export"
        ) as client:
            return [await client.post(path, json=each.request) for each in examples]
    finally:
        state.close()


def _compute(
    contract: Contract, calls: Mapping[str, Call], signature: str, rows: Tensors
) -> Tensors:
    """What the version that was written answers.

    Raises:
        ModelFailed: It fails.
    """
    known = contract.signatures[signature]
    named = zip(known.inputs, rows, strict=True)
    try:
        found = calls[signature](
            **{spec.name: tf.constant(array) for spec, array in named}
        )
        return tuple(as_array(found[spec.name]) for spec in known.outputs)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ModelFailed(str(error)) from error


def _check(where: str, example: Example, answer: httpx.Response) -> None:
    content = answer.json()
    if not answer.is_success:
        raise ExportRefused(
            f"{where}: expected a request that is answered; received an error: "
            f"{content['error']}"
        )
    fields = ("predictions", "images", "texts")
    (first, *_) = next(content[field] for field in fields if field in content)
    wrong = next(_find_wrong("answer", example.answer, first), None)
    if wrong is not None:
        raise ExportRefused(f"{where}, {wrong}; the declaration or the model is wrong")


def _find_wrong(place: str, expected: Any, received: Any) -> Iterator[str]:
    """Where an answer is not as it should be: fields are, others may be there too."""
    if isinstance(expected, dict) and isinstance(received, dict):
        for name, each in expected.items():
            if name in received:
                yield from _find_wrong(f"{place}.{name}", each, received[name])
            else:
                yield f"{place}.{name}: expected one of {', '.join(received)}"
    elif isinstance(expected, list) and isinstance(received, list):
        if len(expected) != len(received):
            yield f"{place}: expected {show(expected)}, received {show(received)}"
        for number, pair in enumerate(zip(expected, received, strict=False)):
            yield from _find_wrong(f"{place}.{number}", *pair)
    elif not _is_near(expected, received):
        yield f"{place}: expected {show(expected)}, received {show(received)}"


def _is_near(expected: Any, received: Any) -> bool:
    """Whether values of JSON are the same; numbers as near as all outputs must be."""
    if isinstance(expected, float | int) and isinstance(received, float | int):
        return abs(expected - received) <= TOLERANCE * max(1.0, abs(expected))
    return bool(expected == received)
