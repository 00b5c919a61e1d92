import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers.envelopes import unwrap_list, unwrap_v2, wrap_list, wrap_v2
from benchmarks.peers.rows import WORK, read_photo
from benchmarks.peers.subjects import PEERS, Peer, peers
from benchmarks.subjects import ROOT
from benchmarks.workloads import digits
from service.models.photo.middle import prepare_photo
from service.web.imaging.decode import read_photo as read_photo_of_service

FOLDER = ROOT / "benchmarks" / "peers"
DIGITS = ROOT / "artifacts" / "digits" / "2"
PHOTOS = sorted((ROOT / "tests" / "data" / "photos").glob("*.jpg"))
MODELS = {"digits": DIGITS, "photo": Path("photo/1"), "sentiment": Path("words/1")}

each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: str(peer.folder))


@each_peer
def test_a_peer_is_locked_with_hashes_and_without_addresses(peer: Peer) -> None:
    lock = (FOLDER / peer.folder / "requirements.lock").read_text()
    wanted = (FOLDER / peer.folder / "requirements.in").read_text().splitlines()

    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==[^\n]*\\$", lock, re.M)
    assert {re.split(r"[=<\[]", each)[0] for each in wanted} <= set(pinned)
    assert len(re.findall(r"^\S+==", lock, re.M)) == len(pinned)
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert not re.search(r"://|--(extra-)?index-url|--find-links", lock)


@each_peer
def test_a_peer_runs_the_same_tensorflow_as_the_service(peer: Peer) -> None:
    ours = re.findall(
        r"^tensorflow==\S+", (ROOT / "requirements.lock").read_text(), re.M
    )
    lock = (FOLDER / peer.folder / "requirements.lock").read_text()

    assert re.findall(r"^tensorflow==\S+", lock, re.M) == ours


@each_peer
def test_a_command_names_a_module_that_is_there(peer: Peer) -> None:
    for server, _ in peer.servers(MODELS, workers=1, cores=2):
        module = server.command[server.command.index("-m") + 1]
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin == str(FOLDER / peer.folder / "server.py")
        assert "{port}" in server.command


@each_peer
def test_workers_share_the_cores(peer: Peer) -> None:
    for workers, threads in ((1, "4"), (4, "1")):
        servers = [each for each, _ in peer.servers(MODELS, workers=workers, cores=4)]

        told = [json.loads(each.environment["PEER_MODELS"]) for each in servers]
        assert sorted(name for models in told for name in models) == sorted(MODELS)
        assert {each.environment["PEER_THREADS"] for each in servers} == {threads}


@each_peer
def test_every_model_is_one_target_of_a_server_that_has_it(peer: Peer) -> None:
    subjects = peer.servers(MODELS, workers=2, cores=2)

    assert len({server.name for server, _ in subjects}) == len(subjects)
    targets = [target for _, each in subjects for target in each]
    assert [target.model for target in targets] == list(MODELS)
    assert len({target.name for target in targets}) == len(MODELS)
    for server, each in subjects:
        assert all(t.model in server.environment["PEER_MODELS"] for t in each)


def test_a_peer_whose_environment_is_not_built_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.peers.subjects.ENVIRONMENTS", tmp_path)
    assert peers(MODELS, cores=2) == []

    python = tmp_path / "mosec" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    found = peers({"digits": DIGITS}, cores=2)
    assert [(server.name, [t.name for t in targets]) for server, targets in found] == [
        ("mosec, 1 worker", ["mosec, 1 worker"]),
        ("mosec, 2 workers", ["mosec, 2 workers"]),
    ]


def test_real_digits_are_read_right() -> None:
    from benchmarks.peers.model import Model

    model = Model("digits", DIGITS)
    rows = [model.work.parse(fields) for fields in digits().fields]
    answers = model.predict(rows)

    assert [{"digit": answer["digit"]} for answer in answers] == digits().truth
    for answer in answers:
        assert len(answer["probabilities"]) == 10
        assert answer["confidence"] == max(answer["probabilities"])


def test_a_batch_and_its_rows_alone_are_answered_alike() -> None:
    from benchmarks.peers.model import Model

    model = Model("digits", DIGITS)
    rows = [model.work.parse(fields) for fields in digits().fields[:3]]

    alone = np.concatenate([model.compute([row]) for row in rows])
    np.testing.assert_allclose(model.compute(rows), alone, atol=1e-5)


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: str(path.stem))
def test_a_photo_is_prepared_as_the_service_does(path: Path) -> None:
    data = path.read_bytes()

    expected = prepare_photo(
        read_photo_of_service(data, max_pixels=10**8, short_side=256)
    )
    np.testing.assert_array_equal(read_photo(data), expected)


def test_a_photo_that_lies_on_its_side_is_turned() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient = np.repeat(np.arange(0, 240, dtype=np.uint8)[:, None, None], 240, axis=1)
    picture = Image.fromarray(np.repeat(gradient, 3, axis=2))
    picture.save(file, format="jpeg", exif=exif)

    row = read_photo(file.getvalue())
    assert row.shape == (224, 224, 3)
    assert row[:, 0].mean() > row[:, -1].mean()


def test_the_five_best_classes_come_best_first() -> None:
    probabilities = np.zeros(1000, np.float32)
    probabilities[[3, 1, 4, 15, 9]] = [0.1, 0.5, 0.2, 0.05, 0.15]

    answer = WORK["photo"].answer(probabilities)
    assert answer["classes"] == [1, 4, 9, 3, 15]
    assert answer["probabilities"][0] == pytest.approx(0.5)


def test_a_text_is_a_row_as_it_is() -> None:
    assert WORK["sentiment"].parse({"text": "Schön!"}) == "Schön!".encode()


def test_the_v2_envelope_carries_the_same_base64() -> None:
    body = wrap_v2(b'{"image": "aGk="}', shape=(1, 1))

    (tensor,) = json.loads(body)["inputs"]
    assert tensor == {
        "name": "image",
        "shape": [1, 1],
        "datatype": "BYTES",
        "data": ["aGk="],
    }


def test_the_v2_envelope_comes_off() -> None:
    outputs = [
        {"name": "digit", "data": [7]},
        {"name": "probabilities", "data": [0, 1]},
    ]

    answer = unwrap_v2(json.dumps({"outputs": outputs}).encode())
    assert json.loads(answer) == {
        "predictions": [{"digit": 7, "probabilities": [0, 1]}]
    }


def test_the_list_envelope_is_put_on_and_comes_off() -> None:
    assert json.loads(wrap_list(b'{"image": "aGk="}')) == {"image": ["aGk="]}
    assert json.loads(unwrap_list(b'[{"digit": 7}]')) == {"predictions": [{"digit": 7}]}
