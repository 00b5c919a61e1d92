"""models.toml: what it may say, what is said of what it may not, what is documented."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.contract.contract import Contract
from service.contract.policy import (
    MOST_BYTES,
    NOT_BATCHED,
    Canary,
    Latest,
    ModelPolicy,
    Policies,
    PolicyError,
    parse_policies,
    read_policies,
)
from tests.versions import DOUBLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "models-toml.md"

WHOLE = b"""
[models.digits]
versions = {latest = 3}
labels = {stable = 3, canary = 4}
canary = {label = "canary", share = 0.1}
batch_sizes = [1, 4, 16]
max_batch_rows = 16
max_queue_rows = 100
timeout_ms = 500
batching = false
precision = "bfloat16"
runtime = "tensorflow"
priority = "low"
allow_operations = ["ReadFile"]
"""


def test_every_key_is_read() -> None:
    (policy,) = parse_policies(WHOLE).models.values()

    assert policy == ModelPolicy(
        versions=Latest(latest=3),
        labels={"stable": 3, "canary": 4},
        canary=Canary(label="canary", share=0.1),
        batch_sizes=(1, 4, 16),
        max_batch_rows=16,
        max_queue_rows=100,
        timeout_ms=500,
        batching=False,
        precision="bfloat16",
        runtime="tensorflow",
        priority="low",
        allow_operations=("ReadFile",),
    )
    assert policy.model_fields_set == ModelPolicy.model_fields.keys()


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_policies(tmp_path / "models.toml") == Policies()


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(PolicyError, match="expected at most"):
        read_policies(path)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="Is a directory"):
        read_policies(tmp_path)


@pytest.mark.parametrize(
    "versions", ['"latest"', '"all"', "{latest = 2}", "[1, 3]"], ids=str
)
def test_versions_travel_to_the_other_processes(versions: str) -> None:
    policies = parse_policies(f"[models.m]\nversions = {versions}".encode())

    assert Policies.model_validate_json(policies.model_dump_json()) == policies


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('versions = "newest"', 'versions: expected "latest", .* received \'newest\''),
        ("versions = [0]", r"versions: expected .* received \[0\]"),
        ("versions = []", r"versions: expected .* received \[\]"),
        ("versions = {latest = 0}", "versions: expected .* received {'latest': 0}"),
        ("batch_size = [1]", r"batch_size: expected a known key \(versions, .* did you "
                             r"mean 'batch_sizes'\?\), received 'batch_size'"),
        ("batch_sizes = [4, 1]", r"batch_sizes: expected sizes .* received \[4, 1\]"),
        ("batch_sizes = 3", "batch_sizes: expected sizes .* received 3"),
        ("labels = {'a b' = 1}", "labels.a b: expected a label .* received 'a b'"),
        ("labels = {a = 'x'}", "labels.a: expected a valid integer, received 'x'"),
        ("canary = {label = 'a', share = 0.1}", r"expected one of the labels \(none\), "
                                                "received 'a'"),
        ("canary = {label = 'a'}", "canary.share: expected a value, received nothing"),
        ("batching = 1", "batching: expected a valid boolean, received 1"),
        ("timeout_ms = 0", "timeout_ms: expected greater than or equal to 1, .* 0"),
        ("priority = 'urgent'", "priority: expected 'low', .* received 'urgent'"),
        ("runtime = 'onnx'", "runtime: expected 'auto', .* received 'onnx'"),
        ("timeout_ms =", "expected TOML, received"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(line: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policies(f"[models.m]\n{line}".encode())


def test_an_unknown_section_is_told_which_there_are() -> None:
    with pytest.raises(PolicyError, match="did you mean 'models'"):
        parse_policies(b"[model.m]")


def test_batches_are_as_the_policy_says() -> None:
    contract = Contract(
        name="m",
        version=1,
        signatures={"a": DOUBLE, "b": DOUBLE},
        batch_sizes=(1, 2),
        unbatched={"b": "it has no rows"},
    )

    applied = ModelPolicy(batch_sizes=(1, 8), batching=False).apply(contract)

    assert applied.batch_sizes == (1, 8)
    assert applied.unbatched == {"a": NOT_BATCHED, "b": "it has no rows"}
    assert ModelPolicy().apply(contract) == contract


def test_what_is_heeded_at_every_request_loads_nothing_anew() -> None:
    (policy,) = parse_policies(WHOLE).models.values()
    live: dict[str, Any] = {
        "versions": "all",
        "labels": {},
        "canary": None,
        "timeout_ms": 9,
    }

    assert policy.model_copy(update=live).loading == policy.loading
    assert policy.model_copy(update={"priority": "high"}).loading != policy.loading


def test_every_key_is_documented() -> None:
    row = re.compile(r"^\| `(\w+)` \| .+ \| .+ \| (.+) \|$", re.M)
    rows = row.findall(DOCUMENT.read_text())
    documented = {key: effect == "loaded anew" for key, effect in rows}
    loading = ModelPolicy(
        versions="all", labels={"a": 1}, canary=Canary(label="a", share=1), timeout_ms=1
    ).loading

    assert documented.keys() == ModelPolicy.model_fields.keys()
    live = {key for key, anew in documented.items() if not anew}
    assert all(getattr(loading, key) == getattr(ModelPolicy(), key) for key in live)


def test_the_example_of_the_document_is_right() -> None:
    (example,) = re.findall(r"```toml\n(.+?)```", DOCUMENT.read_text(), re.S)
    assert set(parse_policies(example.encode()).models) == {"digits", "half_plus_two"}
