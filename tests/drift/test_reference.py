"""What a version answered in training, as far as its files say."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.contract import Contract
from service.contract.golden import FILENAME
from service.contract.reference import Reference
from service.contract.version import read_version
from service.drift.reference import (
    MOST_CHARACTERS,
    MOST_GROUPS,
    ODD,
    OTHERS,
    find_reference,
)
from service.drift.reference_metrics import ReferenceMetrics
from tests.drift.cases import Watching, contract, reference
from tests.versions import SHIPPED

OUTPUT = "serving_default/outputs/scores"


def known(name: str, version: int) -> Any:
    folder = SHIPPED / name / str(version)
    found = read_version(folder, name, version, verify=False)
    return find_reference(folder, found.contract, found.manifest)


def write(folder: Path, scores: Any, origin: str = "held-out") -> Path:
    arrays: Any = {"origin": np.array(origin), OUTPUT: np.asarray(scores, np.float32)}
    np.savez(folder / FILENAME, **arrays)
    return folder


def stated(of: Contract, predictions: Any, folder: Path) -> Any:
    """With these numbers in the manifest's metrics."""
    manifest = read_version(SHIPPED / "sine" / "2", "sine", 2, verify=False).manifest
    assert manifest is not None
    manifest = manifest.model_copy(update={"metrics": {"predictions": predictions}})
    return find_reference(folder, of, manifest)


def test_that_of_digits_are_the_answers_to_its_samples() -> None:
    found = known("digits", 2)
    assert found.groups == (*map(str, range(10)), "no digit", ODD)
    assert (found.rows, sum(found.ratios)) == (64, pytest.approx(1))
    assert found.ratios[1] == 10 / 64
    assert found.confidence == pytest.approx(0.98838, abs=1e-5)
    assert found.source == "64 samples that it carries (held-out)"


@pytest.mark.parametrize(
    ("name", "groups"),
    [("party", ("republican", "democrat")), ("churn", ("stays", "leaves"))],
)
def test_those_of_tables_have_both_labels(name: str, groups: tuple[str, ...]) -> None:
    found = known(name, 2)
    assert found.groups == (*groups, ODD)
    assert 0.1 < found.ratios[0] < 0.9


def test_that_of_mammogram_heeds_its_threshold() -> None:
    assert known("mammogram", 2).ratios == (12 / 64, 52 / 64, 0)


def test_samples_with_few_of_the_labels_say_nothing_of_their_mix() -> None:
    found = known("spoken", 1)
    assert found.ratios == ()
    assert found.source.endswith("with 3 of 10 labels, too few for their mix")
    assert found.confidence > 0.9


def test_a_version_without_samples_says_so() -> None:
    found = known("sentiment", 1)
    assert (found.groups, found.rows) == (("negative", "positive", ODD), 0)
    assert found.source == "it carries no samples (golden.npz)"


def test_a_regression_has_intervals_of_its_samples() -> None:
    found = known("sine", 2)
    assert len(found.groups) == len(found.edges) + 2 == len(found.ratios)
    assert sum(found.ratios) == pytest.approx(1)


def test_a_regression_without_samples_is_not_counted() -> None:
    assert known("sine", 1) is None


@pytest.mark.parametrize("name", ["clothing_gan", "clothing_vae"])
def test_what_draws_is_not_counted(name: str) -> None:
    assert known(name, 1) is None


def test_what_a_manifest_states_comes_first(tmp_path: Path) -> None:
    write(tmp_path, np.eye(3))
    said = {"rows": 100, "labels": {"cat": 70, "dog": 20, "owl": 10}, "confidence": 0.9}
    found = stated(contract(), said, tmp_path)
    assert found.ratios == (0.7, 0.2, 0.1, 0.0)
    assert (found.rows, found.confidence) == (100, 0.9)


@pytest.mark.parametrize(
    "said",
    [
        {"rows": 0, "labels": {}},
        {"rows": 1e400, "labels": {}},
        {"rows": 5},
        [],
        "many",
        {"rows": 5, "labels": {"cat": "many"}},
        {"rows": 5, "labels": {"cat": 5}, "confidence": float("nan")},
        {"rows": 5, "labels": {"cat": -5}},
        {"rows": 10**400, "labels": {"cat": 5}},
        {"rows": 5, "labels": {"cat": 10**400}},
    ],
    ids=repr,
)
def test_what_is_stated_otherwise_is_said_and_the_samples_count(
    said: Any, tmp_path: Path
) -> None:
    write(tmp_path, np.eye(3))
    assert stated(contract(), said, tmp_path).rows == 3
    (tmp_path / FILENAME).unlink()
    found = stated(contract(), said, tmp_path)
    assert "are not of the form rows, labels, confidence" in found.source


@pytest.mark.parametrize("labels", [{"wolf": 5}, {}, {"cat": 0}], ids=repr)
def test_stated_labels_of_another_model_are_no_reference(
    labels: dict[str, int], tmp_path: Path
) -> None:
    found = stated(contract(), {"rows": 5, "labels": labels}, tmp_path)
    assert found.ratios == ()


def test_an_operators_own_file_comes_before_all(tmp_path: Path) -> None:
    write(tmp_path, np.eye(3))
    given = tmp_path / "reference.json"
    said = {"rows": 1000, "labels": {"cat": 250, "dog": 750}, "confidence": 0.5}
    given.write_text(json.dumps({"pets": {"1": said}}))
    found = find_reference(tmp_path, contract(), None, given)
    assert found is not None
    assert found.ratios == (0.25, 0.75, 0.0, 0.0)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b'{"pets": 3}'])
def test_a_broken_file_of_the_operators_stops_no_loading(
    content: bytes | None, tmp_path: Path
) -> None:
    given = tmp_path / "reference.json"
    if content is not None:
        given.write_bytes(content)
    found = find_reference(tmp_path, contract(), None, given)
    assert found is not None
    assert "the file of references cannot be read" in found.source


def test_random_samples_are_no_reference(tmp_path: Path) -> None:
    found = find_reference(write(tmp_path, np.eye(3), "drawn"), contract(), None)
    assert found is not None
    assert found.rows == 0
    assert "drawn at random" in found.source


def claims_much() -> bytes:
    """A file of which one array says that it has a million million numbers."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in ("origin", OUTPUT):
            shape = (10**12,)
            head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
            content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little")
            packed.writestr(f"{name}.npy", content + head.encode())
    return file.getvalue()


def holds_objects() -> bytes:
    file = io.BytesIO()
    objects = np.array([{"a": 1}], dtype=object)
    arrays: Any = {"origin": np.array("given"), OUTPUT: objects}
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04nonsense", claims_much(), holds_objects()],
    ids=["empty", "torn", "claims much", "objects"],
)
def test_damaged_samples_are_said_to_be_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILENAME).write_bytes(content)
    found = find_reference(tmp_path, contract(), None)
    assert found is not None
    assert found.rows == 0
    assert found.source == "golden.npz cannot be read"


def test_samples_of_nan_are_no_reference(tmp_path: Path) -> None:
    found = find_reference(write(tmp_path, np.full((9, 3), np.nan)), contract(), None)
    assert found is not None
    assert found.source == "its samples have no finite score"


@pytest.mark.parametrize("largest", [1e308, 3e38, 1e-320], ids=str)
def test_numbers_at_the_end_of_their_range_make_no_reference_that_cannot_be_sent(
    largest: float, tmp_path: Path
) -> None:
    signs = np.where(np.arange(60) % 2, 1, -1)
    regression = contract((), task="regression", classes=1)
    for of, scores in (
        (regression, largest * signs),
        (contract(), largest * np.ones((60, 3))),
    ):
        arrays: Any = {"origin": np.array("given"), OUTPUT: scores}
        np.savez(tmp_path / FILENAME, **arrays)
        found = find_reference(tmp_path, of, None)
        if found is not None:
            assert Reference.model_validate_json(found.model_dump_json()) == found


def test_of_a_thousand_labels_the_frequent_ones_are_counted_apart(
    tmp_path: Path,
) -> None:
    labels = [f"class {number}" for number in range(1000)]
    counts = {label: 1 + 9 * (number >= 990) for number, label in enumerate(labels)}
    said = {"rows": sum(counts.values()), "labels": counts}
    found = stated(contract(labels), said, tmp_path)
    assert len(found.groups) == MOST_GROUPS + 2
    assert {*labels[990:], OTHERS, ODD} < {*found.groups}
    assert sum(found.ratios) == pytest.approx(1)


def test_long_labels_are_cut_and_equal_ones_are_one(tmp_path: Path) -> None:
    labels = ("x" * 10_000, "x" * 20_000, "y", "y")
    found = find_reference(tmp_path, contract(labels), None)
    assert found is not None
    assert found.groups == ("x" * MOST_CHARACTERS + "…", "y", ODD)


def test_references_are_shown_and_go_with_their_version() -> None:
    of, other = contract(), contract(("ant", "bee"))
    watching = Watching(of, None)
    shown = ReferenceMetrics(watching.metrics)
    shown.show(("pets", 1), reference(of, (0.5, 0.3, 0.2)))
    ratio = "servery_reference_ratio"
    assert watching.value(ratio, label="dog") == 0.3
    shown.show(("pets", 1), reference(other, (0.1, 0.9)))
    assert watching.value(ratio, label="bee") == 0.9
    assert np.isnan(watching.value(ratio, label="dog") or 0)
    shown.show(("pets", 1), None)
    assert np.isnan(watching.value(ratio, label="bee") or 0)
    assert np.isnan(watching.value("servery_reference_rows") or 0)
