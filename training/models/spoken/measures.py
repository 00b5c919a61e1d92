"""How good the model is: for whom it knows, for others, in noise, for no digit.

All of it is measured on what is served, whole recordings to ten probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from training.datasets.spoken import Recordings
from training.metrics.classification import expected_calibration_error
from training.models.spoken import other_sounds
from training.models.spoken.bank import see
from training.models.spoken.spectrogram import BANDS, FRAMES, RATE
from training.models.spoken.spoiling import Samples, add_noise, place

UNSURE = 0.5  # the most probable digit's probability below which a warning is due
ABOVE = (20, 10, 5)  # dB that a word lies above noise
HELD_SECONDS = 3  # that somebody holds the button
OTHERS = 200  # other sounds

Probabilities = npt.NDArray[np.floating[Any]]
Listen = Callable[[Sequence[Samples]], Probabilities]
Integers = npt.NDArray[np.integer[Any]]


def summarise(digits: Integers, probabilities: Probabilities) -> dict[str, Any]:
    """Figures of some recordings.

    Args:
        digits: (rows,) what was said.
        probabilities: (rows, 10).
    """
    right = probabilities.argmax(axis=1) == digits
    sure = probabilities.max(axis=1)
    share, warned = float(right.mean()), sure < UNSURE
    return {
        "accuracy": round(share, 5),
        "accuracy_standard_error": _round(np.sqrt(share * (1 - share) / len(right))),
        "errors": int(np.sum(~right)),
        "rows": len(right),
        "warned": _round(warned.mean()),
        "accuracy_unless_warned": (
            None if warned.all() else _round(right[~warned].mean())
        ),
        "expected_calibration_error": _round(expected_calibration_error(right, sure)),
    }


def summarise_speakers(
    recordings: Recordings, probabilities: Probabilities
) -> dict[str, dict[str, Any]]:
    """The same for each speaker."""
    return {
        str(name): summarise(recordings.digits[spoken], probabilities[spoken])
        for name in np.unique(recordings.speakers)
        for spoken in [recordings.speakers == name]
    }


def summarise_strangers(
    recordings: Recordings, probabilities: Probabilities, test: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Figures of speakers by models that never heard them.

    Args:
        recordings: of all speakers.
        probabilities: (rows, 10), each by the model that did not hear its speaker.
        test: (rows,) those that nobody looked at before.

    Returns:
        Of all; of those of `test` alone; and by speaker. The error is the standard
        error of the mean of speakers: another speaker is what is drawn anew.
    """
    speakers = summarise_speakers(recordings, probabilities)
    each = np.array([figures["accuracy"] for figures in speakers.values()])
    whole = summarise(recordings.digits, probabilities)
    whole["accuracy_standard_error"] = _round(each.std(ddof=1) / np.sqrt(len(each)))
    return whole | {
        "of_these_in_the_test_part": summarise(
            recordings.digits[test], probabilities[test]
        ),
        "by_speaker": speakers,
    }


def measure_in_noise(
    test: Recordings, listen: Listen, seed: int
) -> dict[str, dict[str, Any]]:
    """Words somewhere in three seconds of noise, as a button is held.

    Args:
        test: whose words.
        listen: as it is served.
        seed: of places and noise.
    """
    found = {}
    for above in ABOVE:
        rng = np.random.default_rng((seed, above))
        sounds = [
            add_noise(place(word, HELD_SECONDS * RATE, rng), word, above, rng)
            for word in test.samples
        ]
        found[f"{above} dB above it"] = summarise(test.digits, listen(sounds))
    return found


def measure_others(test: Recordings, listen: Listen, seed: int) -> dict[str, float]:
    """Share of what is no digit that is answered with a warning, by kind.

    Words played backwards are speech that the model was never told of.
    """
    rng = np.random.default_rng((seed, 1))
    sounds = {
        "silence, noise and music by the generator that it learnt from": [
            other_sounds.draw(rng) for _ in range(OTHERS)
        ],
        "nothing": [np.zeros(RATE, np.float32)],
        "words played backwards": [word[::-1] for word in test.samples],
    }
    return {
        kind: _round(np.mean(listen(rows).max(axis=1) < UNSURE))
        for kind, rows in sounds.items()
    }


def measure_baseline(
    recordings: Recordings, train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """What the field would try first: a logistic regression on coarse spectrograms.

    Args:
        recordings: all.
        train: (rows,) those to learn from.
        test: (rows,) those held out, of speakers it knows.
    """
    seen = see(recordings.samples).reshape(len(recordings), FRAMES // 8, 8, BANDS)
    coarse = seen.mean(axis=2).reshape(len(recordings), -1)

    def score(learnt: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> float:
        model = LogisticRegression(C=0.1, max_iter=100)
        model.fit(coarse[learnt], recordings.digits[learnt])
        return float(model.score(coarse[asked], recordings.digits[asked]))

    speakers = [recordings.speakers == name for name in np.unique(recordings.speakers)]
    strangers = [score(train & ~spoken, spoken) for spoken in speakers]
    return {
        "held_out_recordings": _round(score(train, test)),
        "held_out_speakers": _round(np.mean(strangers)),
    }


def name_worst(speakers: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, float]]:
    """Speakers and the share of their recordings that is read wrong, worst first."""
    wrong = [(name, 1 - figures["accuracy"]) for name, figures in speakers.items()]
    return sorted(wrong, key=lambda each: -each[1])


def _round(number: Any) -> float:
    return round(float(number), 5)
