"""Train spoken: recordings → spoilt in many ways → CNN → artifacts/spoken/<n>.

    six trainings, each without one speaker ─▶ how it does with strangers, temperature
    one training with all of them           ─▶ what is served

By the data set's convention the recordings 0 to 4 of each digit and speaker are the
test; 5 to 9 choose the epoch and the temperature here, the others are learnt from.
"""

import base64
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from service.contract.task import Example
from service.web.sound import to_wav
from training.core import provenance
from training.core.export import DEFAULT_SIGNATURE, Function, HeldOut, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.prediction import predict
from training.datasets import spoken as data_set
from training.datasets.spoken import Recordings
from training.metrics.classification import fit_temperature
from training.models.spoken import measures, other_sounds
from training.models.spoken.bank import Bank, make_bank, see
from training.models.spoken.card import LONGEST, describe, draw_reports
from training.models.spoken.network import DIGITS, NO_DIGIT, Fitting, fit
from training.models.spoken.spectrogram import RATE, see_word
from training.models.spoken.spoiling import Samples, Spoiling

log = logging.getLogger(__name__)

TEST, VALIDATION = 5, 10  # numbers below are for the test, for validation
LOUDEST = 32_767  # of 16 bits
SHOWN = (3, 7)  # digits among the examples
CHUNK = 50  # recordings of ten seconds in one call

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights and the figures become.

    Attributes:
        spoiling: of the recordings.
        ways: in which each is spoilt; epochs take them in turn.
        others: sounds that are no digit, in each of the ways.
        fitting: of every network.
        most_numbers: recordings of each digit and speaker that are used.
    """

    spoiling: Spoiling = field(default_factory=Spoiling)
    ways: int = 6
    others: int = 400
    fitting: Fitting = field(default_factory=Fitting)
    most_numbers: int = 50


QUICK = Recipe(ways=1, others=30, fitting=Fitting(epochs=2), most_numbers=14)


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from, and what is chosen by.

    Attributes:
        bank: of the recordings to learn from.
        validation: recordings.
        seen: float32 (rows, FRAMES, BANDS), of these and then of other sounds.
    """

    bank: Bank
    validation: Recordings
    seen: Floats

    def without(self, speaker: str | None, fitting: Fitting, seed: int) -> Any:
        """Train on all speakers but one: the network, and Keras's history."""
        learnt = self.bank.speakers != speaker
        others = len(self.seen) - len(self.validation)
        kept = np.append(self.validation.speakers != speaker, np.ones(others, bool))
        labels = np.append(self.validation.digits, np.full(others, NO_DIGIT))
        return fit(
            self.bank.spectrograms[:, learnt],
            self.bank.labels[learnt],
            (self.seen[kept], labels[kept]),
            fitting,
            seed,
        )


def train(options: RunOptions) -> None:
    """Spoken digits: a CNN on log-mel spectrograms, and how it does with strangers.

    Half an hour on two cores: seven trainings.
    """
    recipe = QUICK if options.quick else Recipe()
    if options.epochs is not None:
        fitting = replace(recipe.fitting, epochs=options.epochs)
        recipe = replace(recipe, fitting=fitting)
    train_recordings(data_set.load(options.data_dir), recipe, options)


def train_recordings(
    recordings: Recordings, recipe: Recipe, options: RunOptions
) -> None:
    """The same, of any recordings."""
    recordings = recordings.pick(recordings.numbers < recipe.most_numbers)
    run = provenance.begin_run(options.seed)
    make_repeatable(options.seed)
    material = gather(recordings, recipe, options.seed)
    strange = listen_to_strangers(material, recordings, recipe, options.seed)
    temperature = calibrate(recordings, strange)
    model, history = material.without(None, recipe.fitting, options.seed)
    ran = run.finish(
        (data_set.describe(count(recordings)),),
        recipe.fitting.epochs,
        asdict(recipe) | {"temperature": temperature},
    )

    strangers = to_probabilities(strange, temperature)
    function = build_function(model, temperature, material.validation)
    metrics = measure(function, recordings, strangers, options.seed) | {
        "parameters": model.count_params(),
        "mflop": round(provenance.count_mflop(model), 2),
    }
    test = recordings.pick(recordings.numbers < TEST)
    held_out = HeldOut({"samples": as_input(test.samples)}, test.digits)
    folder = export_version(
        describe(ran, metrics, make_examples(material.validation)),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        held_out={DEFAULT_SIGNATURE: held_out},
        reports=draw_reports(recordings.digits, strangers, history),
    )
    log.info("Wrote %s", folder)


def gather(recordings: Recordings, recipe: Recipe, seed: int) -> Material:
    """Spoil what is learnt from; what is chosen by stays as it was recorded."""
    numbers = recordings.numbers
    learnt = recordings.pick(numbers >= VALIDATION)
    validation = recordings.pick((numbers >= TEST) & (numbers < VALIDATION))
    bank = make_bank(learnt, recipe.spoiling, recipe.ways, recipe.others, seed)
    rng = np.random.default_rng((seed, 2))
    others = [other_sounds.draw(rng) for _ in range(len(validation) // 3)]
    return Material(bank, validation, see([*validation.samples, *others]))


def listen_to_strangers(
    material: Material, recordings: Recordings, recipe: Recipe, seed: int
) -> Floats:
    """Logits (rows, 11) of all, by networks that never heard their speaker."""
    seen = see(recordings.samples)
    logits = np.empty((len(recordings), DIGITS + 1), np.float32)
    for speaker in np.unique(recordings.speakers):
        model, _ = material.without(speaker, recipe.fitting, seed)
        spoken = recordings.speakers == speaker
        logits[spoken] = model.predict(seen[spoken], verbose=0)
        said = logits[spoken][:, :DIGITS].argmax(axis=1)
        validated = recordings.numbers[spoken] >= TEST
        right = (said == recordings.digits[spoken])[validated].mean()
        log.info("Without %s: %.1f %% of theirs", speaker, 100 * right)
    return logits


def calibrate(recordings: Recordings, logits: Floats) -> float:
    """The temperature that suits strangers, by their recordings of the validation.

    Args:
        recordings: all.
        logits: (rows, 11) by networks that never heard their speaker.
    """
    numbers = recordings.numbers
    validated = (numbers >= TEST) & (numbers < VALIDATION)
    return fit_temperature(recordings.digits[validated], logits[validated])


def to_probabilities(logits: Floats, temperature: float) -> Floats:
    """Logits (rows, 11) to those of the digits, (rows, 10)."""
    probabilities: Floats = tf.nn.softmax(logits / temperature)[:, :DIGITS].numpy()
    return probabilities


def build_function(model: Any, temperature: float, sample: Recordings) -> Function:
    """Wrap the network as it is served: samples → probabilities of ten digits.

    Args:
        model: see `network.build`.
        temperature: of its probabilities.
        sample: for the comparison after export.
    """

    def classify(samples: Any) -> dict[str, Any]:
        heard = tf.cast(samples, tf.float32) / LOUDEST
        logits = model(see_word(heard, LONGEST), training=False)
        return {"probabilities": tf.nn.softmax(logits / temperature)[:, :DIGITS]}

    return Function(
        classify,
        inputs=(TensorSpec(name="samples", dtype="int16", shape=(None, LONGEST)),),
        sample={"samples": as_input(sample.samples[:63])},
    )


def as_input(sounds: Sequence[Samples]) -> npt.NDArray[np.int16]:
    """Sounds, -1 to 1, as the signature takes them: each followed by silence."""
    rows = np.zeros((len(sounds), LONGEST), np.int16)
    for row, sound in zip(rows, sounds, strict=True):
        row[: len(sound)] = np.rint(np.clip(sound, -1, 1) * LOUDEST)
    return rows


def measure(
    function: Function, recordings: Recordings, strangers: Floats, seed: int
) -> dict[str, Any]:
    """Figures of what is served, on recordings that nothing was chosen by.

    Args:
        function: as it is served.
        recordings: all.
        strangers: (rows, 10) of these, by networks that never heard their speaker.
        seed: of places and noise.
    """

    def listen(sounds: Sequence[Samples]) -> Floats:
        parts = [sounds[at : at + CHUNK] for at in range(0, len(sounds), CHUNK)]
        return np.concatenate(
            [
                predict(function.call, {"samples": as_input(part)})["probabilities"]
                for part in parts
            ]
        )

    numbers = recordings.numbers
    test = recordings.pick(numbers < TEST)
    heard = listen(test.samples)
    return {
        "held_out_speakers": measures.summarise_strangers(
            recordings, strangers, numbers < TEST
        ),
        "test": measures.summarise(test.digits, heard)
        | {"by_speaker": measures.summarise_speakers(test, heard)},
        "in_noise": measures.measure_in_noise(test, listen, seed),
        "warned_of_what_is_no_digit": measures.measure_others(test, listen, seed),
        "baseline": measures.measure_baseline(
            recordings, numbers >= VALIDATION, numbers < TEST
        ),
    }


def make_examples(recordings: Recordings) -> tuple[Example, ...]:
    """Recordings that were not learnt from, one click away."""
    chosen = [
        next(row for row, said in enumerate(recordings.digits) if said == digit)
        for digit in SHOWN
        if digit in recordings.digits
    ]
    return tuple(
        Example(
            title=f"A {recordings.digits[row]}, said by {recordings.speakers[row]}",
            request={"audio": _encode(recordings.samples[row])},
            answer={"label": str(recordings.digits[row])},
        )
        for row in chosen
    )


def count(recordings: Recordings) -> dict[str, int]:
    """Recordings of each part, for the manifest."""
    numbers = recordings.numbers
    return {
        "train": int(np.sum(numbers >= VALIDATION)),
        "validation": int(np.sum((numbers >= TEST) & (numbers < VALIDATION))),
        "test": int(np.sum(numbers < TEST)),
    }


def _encode(sound: Samples) -> str:
    return base64.b64encode(to_wav(sound, RATE)).decode()
