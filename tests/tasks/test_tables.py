"""Records by the names of their fields, to classes and to numbers."""

import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service.contract.table import TableField
from service.tasks.fields import record_model
from tests.models.predicting import Application, accepted, refused
from tests.tasks.declared import NAMES

FLOAT32 = np.finfo("float32")
OSLO = {"city": "Oslo", "age": 30, "income": 10, "member": True}
FLAT = {"area": 50, "rooms": 2, "heating": "wood", "garden": True}


def ask(application: Application, name: str, **request: Any) -> list[dict[str, Any]]:
    answer = accepted(application.ask(f"/v1/predict/{name}", **request))
    assert (answer["model"], answer["version"]) == (name, 1)
    predictions: list[dict[str, Any]] = answer["predictions"]
    return predictions


def test_a_record_becomes_a_label_with_its_score(application: Application) -> None:
    (found,) = ask(application, "guest", json={"record": OSLO})
    assert found["label"] == "comes"
    assert found["score"] == pytest.approx(0.603, abs=1e-6)
    assert [each["label"] for each in found["classes"]] == ["comes", "stays away"]
    assert sum(each["score"] for each in found["classes"]) == pytest.approx(1)


def test_the_threshold_decides_between_two_classes(application: Application) -> None:
    bern = OSLO | {"city": "Bern", "member": False, "age": 0}
    rich = bern | {"income": 2000}
    found = ask(application, "guest", json={"records": [bern, rich]})
    assert [each["label"] for each in found] == ["stays away", "comes"]
    assert found[1]["score"] == pytest.approx(0.3)


@pytest.mark.parametrize("age", [None, "unknown", ...], ids=["null", "word", "absent"])
def test_what_may_be_missing_is_what_the_model_was_declared_to_get(
    application: Application, age: Any
) -> None:
    record = {k: v for k, v in (OSLO | {"age": age}).items() if v is not ...}
    (found,) = ask(application, "guest", json={"record": record})
    assert found["score"] == pytest.approx(0.604)


def test_a_number_that_is_missing_is_not_a_number(application: Application) -> None:
    record = {"city": "Bern", "age": 0, "member": False}
    (found,) = ask(application, "guest", json={"record": record})
    assert found["classes"][1]["score"] == pytest.approx(0.2)
    assert math.isfinite(found["score"])


def test_a_record_becomes_a_number_with_its_unit(application: Application) -> None:
    (found,) = ask(application, "house", json={"record": FLAT})
    assert found == {"value": 50_010, "unit": "EUR"}


def test_words_are_given_as_their_codes(application: Application) -> None:
    gas, none = FLAT | {"heating": "gas"}, FLAT | {"heating": None}
    found = ask(application, "house", json={"records": [gas, none, FLAT]})
    assert [each["value"] for each in found] == [50_008, 50_008, 50_010]


def test_csv_says_the_same_as_json(application: Application) -> None:
    table = "garden,area,rooms,heating\r\ntrue,50,2,wood\r\nno,1.5,1,\r\n"
    headers = {"content-type": "text/csv; charset=utf-8"}
    content = b"\xef\xbb\xbf" + table.encode()
    found = ask(application, "house", content=content, headers=headers)
    assert [each["value"] for each in found] == [50_010, 1506]


@pytest.mark.parametrize(
    ("record", "field", "said"),
    [
        (OSLO | {"city": "oslo"}, "record.city", "expected Bern, Oslo or Paris"),
        (OSLO | {"city": "Pariss"}, "record.city", "did you mean 'Paris'?"),
        (OSLO | {"city": 3}, "record.city", "received '3'"),
        (OSLO | {"age": 121}, "record.age", "a whole number of years from 0 to 120"),
        (OSLO | {"age": 1.5}, "record.age", "or unknown, received '1.5'"),
        (OSLO | {"age": "30"}, "record.age", "received '30'"),
        (OSLO | {"age": True}, "record.age", "received 'True'"),
        (OSLO | {"income": 1e999}, "record.income", "a number, received 'inf'"),
        (OSLO | {"income": 10**400}, "record.income", "a number, received"),
        (OSLO | {"member": "yes"}, "record.member", "expected true or false"),
        ({"city": "Oslo"}, "record.member", "expected a value, received nothing"),
        (OSLO | {"town": "Oslo"}, "record.town", "not permitted"),
        ([OSLO], "record", "expected an object"),
    ],
)
def test_bad_records_are_told_what_was_expected_and_what_came(
    application: Application, record: Any, field: str, said: str
) -> None:
    body = json.dumps({"record": record}).encode()
    headers = {"content-type": "application/json"}
    answer = application.ask("/v1/predict/guest", content=body, headers=headers)
    text = refused(answer, 422, "invalid_input")
    assert f'"field": "{field}"' in text
    assert said in text


@pytest.mark.parametrize(
    ("table", "code", "said"),
    [
        ("area,rooms\n1\n", "malformed_body", "expected 2 cells in row 2"),
        ("area,rooms\n1,2,3\n", "malformed_body", "expected 2 cells in row 2"),
        ('area,rooms\n"1,2', "malformed_body", "not CSV"),
        ("area,rooms,garden\nmany,2,no\n", "invalid_input", "received 'many'"),
        ("area,rooms,garden\n1,,no\n", "invalid_input", "records.0.rooms"),
        ("area,rooms,garden,street\n1,2,no,x\n", "invalid_input", "not permitted"),
        ("", "invalid_input", "at least 1 item"),
        ("area,rooms,garden\n" + "1,2,no\n" * 65, "too_many_rows", "at most 64 rows"),
    ],
)
def test_bad_tables_are_told_what_was_expected_and_what_came(
    application: Application, table: str, code: str, said: str
) -> None:
    headers = {"content-type": "text/csv"}
    answer = application.ask("/v1/predict/house", content=table, headers=headers)
    assert answer.json()["code"] == code, answer.text
    assert answer.status_code in (400, 413, 422)
    assert said in answer.text


def test_the_example_is_among_the_answers_that_are_right(
    application: Application,
) -> None:
    model = application.get("/v1/models/guest").json()
    (example,) = model["task"]["examples"]
    (found,) = ask(application, "guest", json=example["request"])
    assert example["answer"].items() <= found.items()


CSV = {"content-type": "text/csv"}
HEADING = b"area,rooms,heating,garden\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"," * 1_000_000, "too intricate"),
        (HEADING + b"," * 40_000, "at most 32,768 cells"),
        (HEADING + b"\r" * 60_000, "at most 32,768 cells"),
        (HEADING + b'"' * 1_000_000, "524,288 bytes"),
        (b"area," + HEADING + b"1,2,1,gas,true\n", "received 'area' twice"),
    ],
    ids=["commas", "a wide row", "empty rows", "quotes", "a name twice"],
)
def test_a_table_costs_no_more_to_read_than_json(
    application: Application, content: bytes, said: str
) -> None:
    asked = application.ask("/v1/predict/house", content=content, headers=CSV)
    assert asked.status_code in (400, 422)
    assert said in asked.json()["error"]


@pytest.mark.parametrize("dtype", ["int32", "int8"])
@pytest.mark.parametrize("value", [2**31, 2**63, 2**64, -(2**63) - 1, 1e299])
def test_a_number_that_the_model_cannot_hold_is_refused(
    application: Application, dtype: str, value: float
) -> None:
    record = {"int32": 1, "int8": 1} | {dtype: value}
    asked = application.ask("/v1/predict/whole", json={"record": record})
    assert f"{dtype}: expected a number that {dtype}" in refused(
        asked, 422, "invalid_input"
    )


def test_whole_numbers_arrive_as_they_are(application: Application) -> None:
    record = {"int32": -(2**31), "int8": 127}
    (found,) = ask(application, "whole", json={"record": record})
    assert found["value"] == pytest.approx(127 - 2**31)


def test_a_number_too_large_for_float32_is_refused(application: Application) -> None:
    asked = application.ask("/v1/predict/root", json={"record": {"x": 1e299}})
    assert "expected a number that float32" in refused(asked, 422, "invalid_input")


def test_what_is_no_finite_number_is_answered_as_null(
    application: Application,
) -> None:
    found = ask(application, "root", json={"records": [{"x": 4}, {"x": -1}]})
    assert [each["value"] for each in found] == [2, None]
    inputs = {"inputs": [{"x": 4}, {"x": -1}]}
    assert application.ask("/hf/root", json=inputs).json() == [2, None]


def test_a_wrong_word_of_very_many_is_told_in_few(application: Application) -> None:
    records = [{"word": "word 99999 or so"}] * 64
    asked = application.ask("/v1/predict/words", json={"records": records})
    text = refused(asked, 422, "invalid_input")
    assert len(text) < 16_384
    assert "did you mean 'word 999'?" in text


def test_a_field_may_have_any_name(application: Application) -> None:
    answer = ask(application, "names", json={"record": dict.fromkeys(NAMES, 1)})
    assert answer == [{"value": len(NAMES)}]
    path = application.get("/openapi.json").json()["paths"]["/v1/predict/names"]
    assert "$ref" in json.dumps(path)


@pytest.mark.parametrize(
    ("kind", "dtype", "least", "most"),
    [
        ("number", "float64", -1e300, 1e300),
        ("number", "string", -1e300, 1e300),
        ("number", "float32", -float(FLOAT32.max), float(FLOAT32.max)),
        ("number", "float16", -65504, 65504),
        ("integer", "uint8", 0, 255),
        ("integer", "int64", -(2**63), 2**63 - 1),
        ("integer", "float32", -int(FLOAT32.max), int(FLOAT32.max)),
    ],
)
def test_schema_says_how_large_a_number_may_be(
    kind: Any, dtype: str, least: float, most: float
) -> None:
    record = record_model([TableField(name="x", kind=kind)], [dtype])
    said = record.model_json_schema(by_alias=True)["properties"]["x"]
    assert (said["minimum"], said["maximum"]) == (least, most)


def test_number_beyond_all_dtypes_is_refused() -> None:
    record = record_model([TableField(name="x", kind="number")], ["float64"])
    assert record.model_validate({"x": 1e300}).values() == [1e300]
    for beyond in (-1.7e308, 1.1e300):
        with pytest.raises(ValidationError, match="expected a number"):
            record.model_validate({"x": beyond})
