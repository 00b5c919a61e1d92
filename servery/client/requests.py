"""What is asked of a service, as values: nothing is sent here.

A `Call` is one request and the function that reads its answer, so that a client that
waits and one that awaits differ in nothing but how they send it.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
import orjson

from servery.client.answers import (
    Generated,
    Model,
    Prediction,
    read_generated,
    read_model,
    read_predictions,
)
from servery.client.events import EVENTS
from servery.client.inputs import BUILT_IN, Item, kind_of, read_input
from servery.client.tensors import HEADER, Array, Specs, read_outputs, write_inputs
from servery.errors import InvalidInput, ServerFailed

T = TypeVar("T")

CONCURRENCY = 8
JSON = {"content-type": "application/json"}
BINARY = {"content-type": "application/octet-stream"}
RECORDS = ("record", "records")
ROW_NAMES = {"party": ("votes", "members"), "mammogram": ("", "masses")}
"""By model, where one record stands in its body, and where several do; none = at the
top, its fields side by side. All other tabular models have `RECORDS`."""
SOME_CLASSES = ("photo",)  # of the models that come with Servery


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        method: HTTP's.
        path: Percent-encoded, with its query.
        read: Makes of the answer what the caller wants.
        content: The body.
        headers: That belong to the body.
        is_repeatable: Whether it may be sent again when the connection broke off.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted of a model besides the answer itself.

    Attributes:
        version: None: the one that answers.
        top_k: How many classes; None: as many as the model says.
        timeout_s: Seconds for one try; None: the client's.
        concurrency: Of many inputs, how many requests are under way at once; 1 or more.
        progress: Whether a bar is shown; None: on a terminal.
    """

    version: int | None = None
    top_k: int | None = None
    timeout_s: float | None = None
    concurrency: int = CONCURRENCY
    progress: bool | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidInput(
                f"concurrency: expected 1 or more, received {self.concurrency}"
            )


class ManyOptions(TypedDict, total=False):
    """The same as keywords."""

    version: int | None
    top_k: int | None
    timeout_s: float | None
    concurrency: int
    progress: bool | None


def list_models() -> Call[list[Model]]:
    """Ask for all models."""
    return Call("GET", "/v1/models", _reader(_read_models))


def show_model(name: str) -> Call[Model]:
    """Ask for one model."""
    return Call("GET", f"/v1/models/{_quote(name)}", _reader(read_model))


def predict(
    model: Model, given: Sequence[Any], options: Options
) -> Call[list[Prediction]]:
    """Ask what a model says of inputs; files among them are read.

    Args:
        model: Which, and its task.
        given: At least one input; see `servery.Client.predict`.
        options: Version and classes.

    Raises:
        InvalidInput: One of them is nothing that the model takes.
    """
    items = [read_input(each, model) for each in given]
    body, headers = _predict_body(model, items)
    top_k = options.top_k if _can_choose_classes(model) else None
    query = _query(version=options.version, top_k=top_k)

    def read(content: dict[str, Any]) -> list[Prediction]:
        predictions = read_predictions(content, options.top_k)
        if len(predictions) != len(items):
            raise InvalidInput(
                f"expected an input that is one row, received {len(predictions)} "
                "predictions for it; give a list of inputs"
            )
        return predictions

    path = f"/v1/predict/{_quote(model.name)}{query}"
    return Call("POST", path, _reader(read), body, headers)


def generate(
    name: str, version: int | None, wanted: Mapping[str, Any]
) -> Call[Generated]:
    """Ask for images, or texts."""
    body = {key: value for key, value in wanted.items() if value is not None}
    path = f"/v1/generate/{_quote(name)}{_query(version=version)}"
    return Call("POST", path, _reader(read_generated), _dump(body), JSON)


def stream(
    name: str, version: int | None, wanted: Mapping[str, Any]
) -> Call[Generated]:
    """Ask for texts as they are written."""
    call = generate(name, version, wanted)
    return replace(call, headers={**call.headers, **EVENTS}, is_repeatable=False)


def infer(
    model: Model,
    inputs: Mapping[str, Any],
    signature: str | None,
    version: int | None,
    outputs: Sequence[str] | None,
) -> Call[dict[str, Array]]:
    """Ask for tensors by the Open Inference Protocol, raw bytes both ways.

    Raises:
        InvalidInput: An array that the protocol has no datatype for.
    """
    asked: dict[str, Any] = {"binary_data_output": True}
    if signature is not None:
        asked["signature_name"] = signature
    heads, raw = write_inputs(inputs, _specs(model, signature, version))
    body: dict[str, Any] = {"inputs": heads, "parameters": asked}
    if outputs is not None:
        body["outputs"] = [{"name": name} for name in outputs]
    text = _dump(body)
    path = f"/v2/models/{_quote(model.name)}"
    if version is not None:
        path += f"/versions/{version}"
    return Call(
        "POST",
        f"{path}/infer",
        lambda response: read_outputs(response.content, response.headers.get(HEADER)),
        b"".join((text, *raw)),
        {**BINARY, HEADER: str(len(text))},
        is_repeatable=False,  # a model may keep state
    )


def _predict_body(
    model: Model, items: Sequence[Item]
) -> tuple[bytes, Mapping[str, str]]:
    kinds = {item.kind for item in items}
    if len(kinds) > 1:
        raise InvalidInput(f"expected inputs of one kind, received {sorted(kinds)}")
    (kind,) = kinds
    values = [item.value for item in items]
    if kind == "record":
        return _dump(_record_body(model, values)), JSON
    if kind == "text":
        return _dump(_one_or_many("text", values)), JSON
    if len(items) == 1:
        return items[0].value, {"content-type": items[0].media_type}
    texts = [b64encode(value).decode() for value in values]
    return _dump(_one_or_many(kind, texts)), JSON


def _one_or_many(name: str, values: list[Any]) -> dict[str, Any]:
    return {name: values[0]} if len(values) == 1 else {f"{name}s": values}


def _record_body(model: Model, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Records where the model's body has them; what is a body already, as it is."""
    if kind_of(model) != "record":
        return _only(rows)
    one, many = ROW_NAMES.get(model.name, RECORDS)
    if len(rows) > 1:
        return {many: rows}
    (row,) = rows
    return row if not one or row.keys() <= {one, many} else {one: row}


def _only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if len(rows) > 1:
        raise InvalidInput(
            "expected records for a model with a tabular task, which this one does "
            f"not declare; received {len(rows)}"
        )
    return rows[0]


def _specs(model: Model, signature: str | None, version: int | None) -> Specs:
    """Dtypes of inputs by name, as far as the service says them."""
    wanted = model.version if version is None else version
    for each in model.raw.get("versions", ()):
        if each["version"] == wanted and each.get("contract"):
            signatures = each["contract"]["signatures"]
            name = signature or "serving_default"
            if name not in signatures and len(signatures) == 1:
                (name,) = signatures
            found = signatures.get(name, {}).get("inputs", ())
            return {spec["name"]: spec["dtype"] for spec in found}
    return {}


def _can_choose_classes(model: Model) -> bool:
    """Whether its endpoint knows `top_k`."""
    if model.name in BUILT_IN:
        return model.name in SOME_CLASSES
    return (model.task or "").endswith("-classification")


def _read_models(content: dict[str, Any]) -> list[Model]:
    return [read_model(each) for each in content["models"]]


def _reader(read: Callable[[dict[str, Any]], T]) -> Callable[[httpx.Response], T]:
    """Read an answer in JSON; one of another form is no Servery's."""

    def read_response(response: httpx.Response) -> T:
        try:
            return read(orjson.loads(response.content))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            kind = response.headers.get("content-type", "nothing")
            raise ServerFailed(
                f"{response.url}: expected an answer as Servery gives it, received "
                f"{kind}: {str(error)[:200]}",
                status=response.status_code,
            ) from error

    return read_response


def _dump(body: Any) -> bytes:
    try:
        return orjson.dumps(body, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise InvalidInput(f"input: expected what JSON can say: {error}") from error


def _plain(value: Any) -> Any:
    """What orjson leaves to us: NumPy's scalars, pandas's missing values."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"received {type(value).__name__}")


def _quote(name: str) -> str:
    return quote(name, safe="")


def _query(**parameters: int | None) -> str:
    given = [f"{name}={value}" for name, value in parameters.items() if value]
    return f"?{'&'.join(given)}" if given else ""
