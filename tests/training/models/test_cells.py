"""The trainer of cells, in small; and the model that we ship."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.golden import FILENAME, read_golden
from service.contract.manifest import Manifest, read_manifest
from service.contract.task import ImageSegmentation
from service.web.imaging.tiles import Tiling
from training.core.options import RunOptions
from training.datasets import nuclei as data_set
from training.datasets.fetch import DEFAULT_DATA_DIR, DataUnavailable
from training.datasets.nuclei import SIDE, Nuclei
from training.models.cells import train as cells
from training.models.cells.augmentation import Augmentation, augment
from training.models.cells.maps import draw_maps
from training.models.cells.measures import compare, mask_by_otsu, summarise
from training.models.cells.network import HALVINGS, REACH, build_network
from training.models.cells.train import Recipe

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "artifacts" / "cells" / "1"
TINY = Recipe(
    epochs=1, steps_per_epoch=2, batch_size=2, augmentation=Augmentation(side=32)
)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    if not SHIPPED.is_dir():
        pytest.skip("no version of cells is published yet")
    return read_manifest(SHIPPED)


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    """The shipped model's, by name."""
    loaded = tf.saved_model.load(str(SHIPPED))
    return {each.name.removesuffix(":0"): each for each in loaded.weights}


def draw_nuclei(pictures: int) -> Nuclei:
    """Pictures of ten light discs each."""
    rng = np.random.default_rng(0)
    labels = np.zeros((pictures, SIDE, SIDE), np.uint16)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for picture in labels:
        for number in range(1, 11):
            row, column = rng.integers(0, SIDE, 2)
            picture[(rows - row) ** 2 + (columns - column) ** 2 < 60] = number
    light = np.where(labels > 0, 120, 10) + rng.integers(0, 9, labels.shape)
    ids = np.arange(pictures).astype(str)
    return Nuclei(ids, light.astype(np.uint8), labels)


def load_or_skip() -> Nuclei:
    folder = Path(os.environ.get("SERVERY_DATA_DIR", DEFAULT_DATA_DIR))
    try:
        return data_set.load(folder)
    except DataUnavailable:
        pytest.skip(f"{data_set.FILE} is not in {folder / 'nuclei'}: it is not shipped")


def test_cores_of_nuclei_that_touch_do_not() -> None:
    labels = np.zeros((20, 40), np.uint16)
    labels[4:16, 5:17], labels[4:16, 17:30] = 1, 2

    cells_map, cores = draw_maps(labels)

    assert ((cells_map == 255) == (labels > 0)).all()
    found, there = np.unique(labels[cores == 255], return_counts=True)
    assert found.tolist() == [1, 2]
    assert (there > 9).all()
    assert not cores[:, 15:19].any()


def test_a_picture_and_its_maps_are_turned_together() -> None:
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[:, np.arange(SIDE) // 32 % 2 == 1] = 250  # in every crop there is some
    still = Augmentation(side=96, gain=0, gamma=0, blur=0.3, noise=0)

    for seed in range(20):
        rng = np.random.default_rng(seed)
        light, cells_map, cores = augment(picture, (picture, picture), still, rng)
        assert light.shape == cells_map.shape == (96, 96)
        assert 0 <= light.min() <= light.max() <= 255
        assert (cells_map == cores).all()
        assert np.corrcoef(light.ravel(), cells_map.ravel())[0, 1] > 0.98


def test_what_is_found_is_counted_once() -> None:
    truth = draw_nuclei(3)

    perfect = summarise(compare(truth, truth.labels > 0))
    nothing = summarise(compare(truth, np.zeros(truth.labels.shape, np.bool_)))

    assert (perfect["mean_iou"], nothing["mean_iou"]) == (1.0, 0.0)
    assert perfect["f1_at_0.5"] > 0.7  # those that touch are one
    assert (nothing["f1_at_0.5"], nothing["missed"], nothing["said"]) == (0, 1, 0)
    assert summarise(compare(truth, mask_by_otsu(truth)))["mean_iou"] > 0.99


@pytest.mark.slow
def answers(folder: Path) -> np.ndarray:
    """What a version gave for its golden samples."""
    golden = read_golden(folder / FILENAME, read_manifest(folder).signatures)
    assert golden is not None
    return golden.samples["serving_default"].outputs[0]


def train_twice(folder: Path) -> None:
    """Train on a handful of drawn pictures, two versions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "Recipe", lambda: TINY)
        patch.setattr(data_set, "load", lambda folder: draw_nuclei(8))
        for _ in range(2):
            cells.train(RunOptions(artifacts_dir=folder))


@pytest.mark.slow
def test_training_twice_with_one_seed_writes_the_same_model(tmp_path: Path) -> None:
    """In a process of its own, which `make_repeatable` changes for good."""
    code = (
        "import sys; from {} import Path, train_twice; train_twice(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code.format(__name__), str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    first, second = (read_manifest(tmp_path / "cells" / n) for n in "12")

    assert first.metrics == second.metrics
    one, other = (answers(tmp_path / "cells" / n) for n in "12")
    np.testing.assert_array_equal(one, other)
    assert first.metrics["test"]["pictures"] == 2
    assert first.training is not None
    assert first.training.data[0].rows == {"train": 5, "validation": 1, "test": 2}


def test_the_shipped_version_was_learnt_from_the_data_set(manifest: Manifest) -> None:
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == data_set.SHA256


def test_the_shipped_model_keeps_what_was_asked_of_it(manifest: Manifest) -> None:
    test, otsu = manifest.metrics["test"], manifest.metrics["baselines"]["otsu"]

    assert test["mean_iou"] >= 0.86
    assert test["mean_iou"] > otsu["mean_iou"]
    assert test["f1_at_0.5"] > otsu["f1_at_0.5"]
    assert manifest.training is not None
    assert manifest.training.seconds <= 90 * 60


def test_tiles_of_a_picture_say_what_its_whole_says(
    manifest: Manifest, weights: dict[str, Any]
) -> None:
    golden = read_golden(SHIPPED / FILENAME, manifest.signatures)
    assert golden is not None
    (rows,) = golden.samples["serving_default"].inputs
    picture = np.block([[rows[0], rows[1]], [rows[2], rows[3]]])
    network = build_network(None)
    for weight in network.weights:
        weight.assign(weights[weight.path])
    task = manifest.task
    assert isinstance(task, ImageSegmentation)
    tiling = Tiling(task.size, task.overlap)
    assert tiling.overlap == 2 * REACH
    assert REACH % HALVINGS == 0

    tiles = network(tiling.cut(picture).astype(np.float32), training=False)
    whole = network(picture[np.newaxis].astype(np.float32), training=False)

    for name in ("cells", "cores"):
        joined = tiling.join(tiles[name].numpy(), *picture.shape)
        assert np.abs(joined - whole[name][0].numpy()).max() < 1e-4


def test_the_limits_name_how_kinds_of_pictures_are_treated(manifest: Manifest) -> None:
    for name, figures in manifest.metrics["groups"].items():
        said = f"{name} {figures['mean_iou']:.2f} and {figures['f1_at_0.5']:.2f}"
        assert said in manifest.limits


def test_the_page_has_the_manifest_s_figures(manifest: Manifest) -> None:
    page = (ROOT / "docs" / "models" / "cells.md").read_text()
    readme = (ROOT / "README.md").read_text()
    rows = {
        "this model": manifest.metrics["test"],
        "Otsu's threshold": manifest.metrics["baselines"]["otsu"],
    }
    for name, found in rows.items():
        mean, error = found["mean_iou"], found["mean_iou_standard_error"]
        f1, f1_error = found["f1_at_0.5"], found["f1_standard_error"]
        said = f"{mean:.3f} ± {error:.3f} | {f1:.3f} ± {f1_error:.3f}"
        assert f"| {name} | {said} |" in page
        assert f"{mean:.3f} ± {error:.3f}" in readme
    for name, found in manifest.metrics["groups"].items():
        said = f"{found['mean_iou']:.2f} | {found['f1_at_0.5']:.2f}"
        assert f"| {name} | {found['pictures']} | {said} |" in page
    for found in manifest.metrics["probes"].values():
        assert f"| {found['mean_iou']:.2f} | {found['f1_at_0.5']:.2f} |" in page


@pytest.mark.slow
def test_the_shipped_model_answers_as_it_was_measured(manifest: Manifest) -> None:
    assert manifest.training is not None
    test = data_set.split(load_or_skip(), manifest.training.seed).test
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    task = manifest.task
    assert isinstance(task, ImageSegmentation)

    maps = [served(pictures=tf.constant(each[np.newaxis])) for each in test.pictures]
    masks, cores = (
        np.concatenate([each[name].numpy() for each in maps]) >= line
        for name, line in (("cells", task.threshold), ("cores", 0.5))
    )

    again, said = summarise(compare(test, masks, cores)), manifest.metrics["test"]
    for name in ("mean_iou", "f1_at_0.5"):
        assert again[name] == pytest.approx(said[name], abs=0.002)
