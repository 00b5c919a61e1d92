"""The spoken trainer, in small; and the model that we ship."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.contract.golden import FILENAME, Samples, read_golden
from service.contract.manifest import Manifest, read_manifest
from tests.training.models.held_out_tables import read_page, read_readme
from training.core.options import RunOptions
from training.datasets import spoken as data_set
from training.datasets.spoken import Recordings
from training.models.spoken import measures, other_sounds, train
from training.models.spoken.bank import see
from training.models.spoken.network import NO_DIGIT, Fitting, build
from training.models.spoken.spectrogram import BANDS, FRAMES, RATE
from training.models.spoken.spoiling import BUFFER, Spoiling, place, spoil
from training.models.spoken.train import Recipe, as_input, train_recordings

SHIPPED = Path(__file__).parents[3] / "artifacts" / "spoken" / "1"
TINY = Recipe(ways=1, others=6, fitting=Fitting(epochs=1, batch_size=8))
NUMBERS = (0, 5, 10, 11)  # of recordings: for the test, for validation, to learn from


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(SHIPPED)


def tone(hertz: float, seconds: float = 0.4) -> np.ndarray:
    """float32 (samples,), louder in its middle."""
    times = np.arange(int(seconds * RATE)) / RATE
    wave: np.ndarray = np.sin(2 * np.pi * hertz * times) * np.hanning(len(times))
    return (0.5 * wave).astype(np.float32)


def golden(folder: Path) -> Samples:
    found = read_golden(folder / FILENAME, read_manifest(folder).signatures)
    assert found is not None
    return found.samples["serving_default"]


def answers(folder: Path) -> np.ndarray:
    return golden(folder).outputs[0]


def make_recordings(speakers: tuple[str, ...] = ("ann", "ben")) -> Recordings:
    """Each digit is a pitch, and each speaker a key."""
    rows = [
        (digit, who, number)
        for digit in range(10)
        for who in range(len(speakers))
        for number in NUMBERS
    ]
    return Recordings(
        tuple(tone((200 + 200 * digit) * (1 + 0.1 * who)) for digit, who, _ in rows),
        np.array([digit for digit, _, _ in rows]),
        np.array([speakers[who] for _, who, _ in rows]),
        np.array([number for _, _, number in rows]),
    )


@pytest.mark.slow
def test_training_twice_with_one_seed_writes_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "make_repeatable", keras.utils.set_random_seed)

    for _ in range(2):
        train_recordings(make_recordings(), TINY, RunOptions(artifacts_dir=tmp_path))
    first, second = (read_manifest(tmp_path / "spoken" / n) for n in "12")

    assert first.metrics == second.metrics
    one, other = (answers(tmp_path / "spoken" / n) for n in "12")
    np.testing.assert_array_equal(one, other)
    assert set(first.metrics["held_out_speakers"]["by_speaker"]) == {"ann", "ben"}
    assert sum(name.startswith("report/") for name in first.files) == 3


def test_who_is_left_out_is_neither_learnt_from_nor_chosen_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def fit(
        bank: np.ndarray, labels: np.ndarray, validation: Any, *_: object
    ) -> tuple[None, None]:
        seen.append((bank.shape[1], len(labels), validation))
        return None, None

    monkeypatch.setattr(train, "fit", fit)
    material = train.gather(make_recordings(), TINY, seed=1)
    material.without("ann", TINY.fitting, 1)
    ((rows, labelled, validation),) = seen

    assert rows == labelled == 20 + TINY.others  # of ben, and what nobody says
    spectrograms, labels = validation
    assert len(spectrograms) == len(labels)
    assert np.sum(labels != NO_DIGIT) == 10


def test_a_word_is_found_wherever_it_is_and_however_loud() -> None:
    word = tone(700)
    sounds = [word]
    for seed, gain in ((1, 1.0), (2, 0.1), (3, 0.02)):
        placed = place(word, 10 * RATE, np.random.default_rng(seed))
        sounds.append(gain * placed)

    first, *others = see(sounds)

    assert first.shape == (FRAMES, BANDS)
    middle = np.flatnonzero(first.max(axis=1) > first.max() - 1).mean()
    assert middle == pytest.approx(FRAMES / 2, abs=4)
    for each in others:
        shifts = [
            np.abs(np.roll(each, shift, axis=0) - first).mean() for shift in (-1, 0, 1)
        ]
        assert min(shifts) < 0.1  # blocks and spectra do not begin together


def test_silence_is_seen_as_nothing() -> None:
    (seen,) = see([np.zeros(RATE, np.float32)])
    assert np.ptp(seen) == 0


@pytest.mark.parametrize("seed", range(8))
def test_what_is_spoilt_stays_a_sound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for sound in (spoil(tone(500), Spoiling(), rng), other_sounds.draw(rng)):
        assert sound.shape == (BUFFER,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1


def test_the_same_seed_spoils_alike() -> None:
    one, same, other = (
        spoil(tone(500), Spoiling(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_error_of_strangers_is_that_of_speakers() -> None:
    recordings = make_recordings()
    right = np.eye(10)[recordings.digits]
    right[recordings.speakers == "ben"] = np.eye(10)[0]  # who is always taken for 0

    found = measures.summarise_strangers(recordings, right, recordings.numbers < 5)

    assert found["accuracy"] == pytest.approx(0.55)
    assert found["accuracy_standard_error"] == pytest.approx(0.45)
    assert found["of_these_in_the_test_part"]["rows"] == 20
    worst, wrong = measures.name_worst(found["by_speaker"])[0]
    assert worst == "ben"
    assert wrong == pytest.approx(0.9)


def test_what_is_served_takes_whole_numbers_and_gives_ten_shares() -> None:
    function = train.build_function(build(0.0), 1.0, make_recordings())
    given = as_input([tone(500), np.zeros(0, np.float32)])

    shares = function.call(samples=tf.constant(given))["probabilities"].numpy()

    assert given.dtype == np.int16
    assert shares.shape == (2, 10)
    assert (shares.sum(axis=1) < 1).all()  # the rest is that of no digit


def test_the_shipped_version_was_learnt_from_the_data_set(manifest: Manifest) -> None:
    assert manifest.training is not None
    assert manifest.training.data[0].sha256 == data_set.SHA256


def test_the_shipped_model_hears_what_was_promised(manifest: Manifest) -> None:
    strangers = manifest.metrics["held_out_speakers"]

    assert manifest.metrics["test"]["accuracy"] >= 0.98
    assert strangers["accuracy"] >= 0.88
    assert len(strangers["by_speaker"]) == 6
    assert f"{strangers['accuracy']:.1%} ± " in manifest.description


def test_the_limits_name_how_each_speaker_is_treated(manifest: Manifest) -> None:
    speakers = manifest.metrics["held_out_speakers"]["by_speaker"]
    for name, wrong in measures.name_worst(speakers):
        assert f"{name} {wrong:.1%}" in manifest.limits


def test_the_page_and_the_readme_say_what_was_measured(manifest: Manifest) -> None:
    strangers, test = (manifest.metrics[name] for name in ("held_out_speakers", "test"))
    page = " ".join(read_page("spoken").split())

    for figures in (strangers, test):
        share, error = figures["accuracy"], figures["accuracy_standard_error"]
        said = f"{100 * share:.1f} ± {100 * error:.1f} %"
        assert said in page
        assert said in read_readme("spoken")
    for name, alone in strangers["by_speaker"].items():
        row = next(
            line
            for line in read_page("spoken").splitlines()
            if line.startswith(f"| {name} ")
        )
        known = test["by_speaker"][name]["accuracy"]
        shares = (alone["accuracy"], alone["warned"], known)
        assert all(f" {100 * share:.1f} % |" in row for share in shares), row
    for kind, noisy in manifest.metrics["in_noise"].items():
        assert f"| {kind} | {100 * noisy['accuracy']:.1f} % |" in page
    for kind, warned in manifest.metrics["warned_of_what_is_no_digit"].items():
        assert f"| {kind} | {100 * warned:.1f} % |" in page


@pytest.mark.usefixtures("manifest")
def test_the_shipped_graph_alone_hears_the_golden_recordings() -> None:
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    samples = golden(SHIPPED)

    said = served(samples=tf.constant(samples.inputs[0]))["probabilities"].numpy()

    assert samples.labels is not None
    assert np.mean(said.argmax(axis=1) == samples.labels) > 0.95
