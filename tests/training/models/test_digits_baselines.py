"""The simpler readers of digits that the CNN is held against."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.contract.manifest import read_manifest
from tests.training.conftest import Sample
from training.core.split import Rows
from training.models.digits.baselines import (
    WAYS,
    Baseline,
    draw_baselines,
    train_baselines,
)

SHIPPED = Path(__file__).parents[3] / "artifacts" / "digits" / "5"
OF_THE_COURSE = (0.918, 0.93, 0.98)


@pytest.fixture(scope="module")
def trained(mnist_sample: Sample) -> list[Baseline]:
    return train_baselines(*_halves(mnist_sample), seed=1, epochs=30)


def _halves(sample: Sample) -> tuple[Rows, Rows]:
    rows = Rows(sample.images, sample.labels)
    return rows.first(192), rows.pick(slice(192, None))


def test_each_learns_from_a_handful_of_digits(trained: list[Baseline]) -> None:
    assert [each.name for each in trained] == [name for name, _, _ in WAYS]
    assert all(each.accuracy > 0.6 for each in trained), trained
    assert [each.parameters for each in trained] == [7_850, 407_050, 669_706]
    assert all(each.microseconds > 0 for each in trained)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_readers(
    trained: list[Baseline], mnist_sample: Sample
) -> None:
    again = train_baselines(*_halves(mnist_sample), seed=1, epochs=30)

    for one, other in zip(trained, again, strict=True):
        assert one.errors_by_digit == other.errors_by_digit


def test_they_are_drawn_beside_each_other(
    trained: list[Baseline], tmp_path: Path
) -> None:
    drawing = tmp_path / "baselines.png"
    drawing.write_bytes(draw_baselines(trained))

    with Image.open(drawing) as picture:
        assert picture.width > picture.height
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_the_shipped_figures_are_at_least_the_course_s() -> None:
    baselines = read_manifest(SHIPPED).metrics["baselines"]

    assert [each["name"] for each in baselines[:-1]] == [name for name, _, _ in WAYS]
    for each, least in zip(baselines, (*OF_THE_COURSE, 0.996), strict=True):
        assert each["accuracy"] >= least, each
