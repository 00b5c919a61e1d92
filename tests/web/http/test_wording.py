"""Every fault that our schemas can find is told in the house's words."""

import importlib
import json
import pkgutil
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import models as model_packages
from service.errors import InvalidInput, ServeryError
from service.web.api import routes
from service.web.http.body import RequestModel, parse_json, validate
from service.web.http.wording import describe
from service.wording import show, suggest

MOST_BYTES = 16_384
PYDANTIC_S = ("Input should", "Extra inputs", "Value error", "None", "NoneType")


def schemas() -> list[type[RequestModel]]:
    routes.mount(FastAPI())  # imports every endpoint
    for package in pkgutil.iter_modules(model_packages.__path__):
        importlib.import_module(f"{model_packages.__name__}.{package.name}.endpoint")
    found = [RequestModel]
    for each in found:
        found.extend(each.__subclasses__())
    made = [each for each in found[1:] if not each.__subclasses__()]
    return [each for each in made if each.__module__.startswith("service.")]


SCHEMAS = schemas()
NAMES = sorted({f.alias or n for s in SCHEMAS for n, f in s.model_fields.items()})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=80)
    | st.sampled_from(["yea", "unknown", "vae", "dress", "round", "aGVsbG8="])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=40), inner)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5) | JSON


def assert_told(error: ServeryError) -> None:
    text = json.dumps([error.message, error.details], ensure_ascii=False)
    assert len(text.encode()) <= MOST_BYTES
    for detail in error.details or []:
        said = detail["error"]
        assert "expected" in said and "received" in said, said
        assert not any(words in said.partition("received")[0] for words in PYDANTIC_S)


def test_all_schemas_are_walked() -> None:
    names = {each.__name__ for each in SCHEMAS}
    assert names >= {"ImagesRequest", "TextsRequest", "RecordsRequest", "FlatRequest"}
    assert names >= {"Record", "GenerateRequest", "InterpolateRequest"}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_whatever_is_wrong_is_told_in_our_words(
    schema: type[RequestModel], body: Any
) -> None:
    try:
        validate(body, schema)
    except InvalidInput as error:
        assert_told(error)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 1.5, 1e999, float("nan"), 10**30, "", "x" * 10_000,
     "\x00\u2028😀" * 1000, [], [[]], [None], {}, {"": 0}, {"x" * 10_000: 1}],
    ids=lambda value: repr(value)[:16],
)  # fmt: skip
def test_every_field_refuses_in_our_words(
    schema: type[RequestModel], value: Any
) -> None:
    for name in NAMES:
        try:
            validate({name: value}, schema)
        except InvalidInput as error:
            assert_told(error)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_of_many_unknown_names_ten_are_told(schema: type[RequestModel]) -> None:
    body = json.dumps({f"k{'é' * 90}{i}": i for i in range(1000)}).encode()
    with pytest.raises(InvalidInput) as caught:
        parse_json(body, schema, max_rows=8, max_values=8192)
    assert len(caught.value.details or []) == 10
    assert_told(caught.value)


def test_an_unknown_name_is_told_what_may_have_been_meant() -> None:
    assert suggest("Vote", ["votes", "members"]) == "; did you mean 'votes'?"
    assert suggest("xyzzy", ["votes", "members"]) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ("a", "'a'"),
        ("a" * 99, f"'{'a' * 47}…'"),
        ([0] * 1234, "list of 1,234"),
        ({"a": 1}, "object of 1"),
        (True, "'True'"),
        (10**4000, "a number of some 4,001 digits"),
        (float("nan"), "'nan'"),
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, int) else "int",
)
def test_a_value_is_shown_in_few_characters(value: Any, shown: str) -> None:
    assert show(value) == shown


def test_an_error_that_nobody_thought_of_still_says_what_came() -> None:
    error = {"type": "new", "loc": ("a",), "msg": "Odd", "input": 5, "ctx": {}}
    assert "a: Odd, received '5'" in describe([error]).message


def test_a_message_is_cut_whatever_is_in_it() -> None:
    assert len(ServeryError("x" * 100_000).message) == 2000
