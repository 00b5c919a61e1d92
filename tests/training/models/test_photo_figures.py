"""The photo model's figures on made-up answers, and on files as they lie in folders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.models.photo import figures
from training.models.photo.measure import MEASURED, read_photos

ROOT = Path(__file__).parents[3]


def spread(best: list[int], confidence: list[float], classes: int = 6) -> np.ndarray:
    """Rows whose best class has its confidence; the others share the rest."""
    rows = np.empty((len(best), classes), np.float32)
    rows[:] = (1 - np.array(confidence)[:, None]) / (classes - 1)
    rows[np.arange(len(best)), best] = confidence
    return rows


def test_a_share_has_wilsons_interval() -> None:
    # Wilson 1927: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96.
    assert figures.count_right(np.array([True] * 8 + [False] * 2)) == {
        "right": 8,
        "rows": 10,
        "share": 0.8,
        "interval": [0.4902, 0.9433],
    }


def test_one_of_five_is_right_where_the_first_is_not() -> None:
    answers = np.array([[0.3, 0.2, 0.18, 0.15, 0.1, 0.07]], np.float32)

    found = [figures.is_among_best(np.array([4]), answers, n)[0] for n in (1, 4, 5)]

    assert found == [False, False, True]


def test_a_temperature_is_judged_on_rows_that_it_was_not_fitted_on() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(4000, 6)) * 2
    draws = random.random((4000, 1))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (draws > shares.cumsum(axis=1)).sum(axis=1).clip(max=5)
    too_sure = shares**2 / (shares**2).sum(axis=1, keepdims=True)

    found = figures.measure_calibration(labels, too_sure.astype(np.float32))

    scaled = found["temperature"]
    assert scaled["fitted"] == pytest.approx([2, 2], rel=0.1)
    error = "expected_calibration_error"
    assert scaled[error] < 0.03 < 0.1 < found[error]
    assert scaled["log_loss"] < found["log_loss"]
    assert sum(each["rows"] for each in found["reliability"]) == 4000


def test_a_warning_is_worth_the_mistakes_that_it_finds() -> None:
    confidence = [0.35] * 100 + [0.55] * 100 + [0.95] * 100
    labels = np.array([0] * 30 + [1] * 70 + [0] * 60 + [1] * 40 + [0] * 99 + [1])

    found = figures.measure_warning(labels, spread([0] * 300, confidence), below=0.5)

    assert (found["warned"]["right"], found["warned"]["rows"]) == (30, 100)
    assert (found["others"]["right"], found["others"]["rows"]) == (159, 200)
    assert found["wrong_warned"] == pytest.approx(70 / 111, abs=1e-4)
    assert found["right_warned"] == pytest.approx(30 / 189, abs=1e-4)


def test_confusion_names_what_a_class_is_taken_for() -> None:
    names = ("tench", "church", "parachute", "a", "b", "c")
    answers = spread([1, 0, 0, 2], [0.9] * 4)

    assert figures.count_confusion(np.array([0, 0, 0, 2]), answers, names) == {
        "tench": {"tench": 2, "church": 1},
        "parachute": {"parachute": 1},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("n02/ILSVRC2012_val_00000007.JPEG", "n02/n02_31.JPEG", "n01/x.JPEG"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (300, 260), (len(name), 0, 0)).save(path, "JPEG")
    return tmp_path


def test_photos_are_read_by_their_folders_names(folder: Path) -> None:
    photos = read_photos(folder, ["n00", "n01", "n02"])

    assert photos.images.shape == (3, 224, 224, 3)
    assert photos.labels.tolist() == [1, 2, 2]
    assert photos.is_fresh.tolist() == [False, True, False]


def test_a_folder_that_names_no_class_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected <wnid>/.*, received n02"):
        read_photos(folder, ["n00", "n01"])
    with pytest.raises(ValueError, match="received none"):
        read_photos(folder / "n01", ["n00"])


def row(found: dict[str, Any]) -> str:
    share, low, high = (100 * each for each in (found["share"], *found["interval"]))
    counts = f"| {found['right']} | {found['rows']} |"
    return f"{counts} {share:.1f} % | {low:.1f} to {high:.1f} |"


def test_page_and_readme_say_what_was_measured() -> None:
    measured = json.loads(MEASURED.read_text())
    page = " ".join((ROOT / "docs" / "models" / "photo.md").read_text().split())
    readme = (ROOT / "README.md").read_text()
    first, five, warning = (measured[name] for name in ("top1", "top5", "warning"))
    calibration, photos = measured["calibration"], measured["photos"]

    for found in (first, five, measured["top1_fresh"]):
        assert row(found) in page
    for found in (warning["warned"], warning["others"]):
        assert row(found) in page
    assert f"below {warning['below']}" in page
    for judged in (calibration, calibration["temperature"]):
        assert f"calibration error {judged['expected_calibration_error']:.3f}" in page
        assert f"log loss {judged['log_loss']:.3f}" in page
    for name, taken in measured["confusion"].items():
        assert f"| {name} | {taken[name]}, {sum(taken.values())} |" in page
    shares = f"first answer {first['share']:.0%}, one of five {five['share']:.0%}"
    assert shares.replace("%", " %") in readme
    learnt = f"{photos['rows']} photographs", f"learned from {photos['learnt_from']}"
    for words in learnt:
        assert words in readme
