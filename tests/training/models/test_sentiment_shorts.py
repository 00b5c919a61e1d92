"""Sentences that are made for training, and what tells the model where it is unsure."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.models.sentiment import lexicon, ngram_table
from training.models.sentiment.block_lstm import BlockLSTM, reorder_gates
from training.models.sentiment.caution import Caution, choose_band
from training.models.sentiment.checklist import CAPABILITIES, write_checks
from training.models.sentiment.familiarity import Familiarity
from training.models.sentiment.kept_out import is_measured, reduce_text
from training.models.sentiment.linear import Linear
from training.models.sentiment.made_up import (
    CONTRAST,
    NEGATION,
    ONLY_BAD,
    ONLY_GOOD,
    PLAIN,
    Writer,
    frames,
    write_sentences,
)
from training.models.sentiment.probes import PROBES
from training.models.sentiment.short_sentences import SENTENCES
from training.models.sentiment.text import KEYS
from training.models.sentiment.variants import (
    Editor,
    find_opinions,
    make_variants,
    split_sentences,
)

FRAMES = (PLAIN, NEGATION, CONTRAST, ONLY_GOOD, ONLY_BAD)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_frame_with_a_denial_takes_words_of_the_other_label(
    random: np.random.Generator,
) -> None:
    writer = Writer(lexicon.TRAINING, random)

    filled = {writer.fill("not {no_adjective}", label) for label in (1,) * 200}

    assert {text.removeprefix("not ") for text in filled} <= set(lexicon.ADJECTIVES.bad)


def test_made_up_sentences_are_likes_and_dislikes_alike(
    random: np.random.Generator,
) -> None:
    made = write_sentences(lexicon.TRAINING, 200, random)

    assert sum(made.labels) == 100
    assert len(made.texts) == 200
    assert not any(b"{" in text for text in made.texts)


def test_no_word_is_in_two_parts_of_the_lexicon() -> None:
    words = lexicon.ADJECTIVES.good + lexicon.ADJECTIVES.bad
    parts = [
        lexicon.split_words(words, part)
        for part in (lexicon.TRAINING, lexicon.FITTING, lexicon.GATE)
    ]

    assert sorted(sum(parts, ())) == sorted(words)
    assert all(parts)


def test_the_checklist_has_no_adjective_that_training_sentences_have() -> None:
    trained = {
        word
        for side in (lexicon.ADJECTIVES.good, lexicon.ADJECTIVES.bad)
        for word in lexicon.split_words(side, lexicon.TRAINING)
    }

    for _, text, _ in write_checks():
        assert not trained & set(text.replace(",", " ").replace(".", " ").split()), text


def test_no_frame_of_the_checklist_is_one_of_training() -> None:
    def reduce(frame: str) -> str:
        return re.sub(r"[^a-z{}_]+", " ", frame.replace("no_", "")).strip()

    learnt = {reduce(each) for some in FRAMES for each in frames(some)}
    asked = {reduce(each) for some in CAPABILITIES.values() for each in some}
    assert asked & learnt == {"{adjective}"}  # a word alone, of other words


def test_the_checklist_is_the_same_every_time() -> None:
    checks = list(write_checks())

    assert checks == list(write_checks())
    assert {capability for capability, _, _ in checks} == CAPABILITIES.keys()
    assert sum(label for _, _, label in checks) == len(checks) / 2


def test_no_made_up_sentence_is_one_that_the_model_is_measured_by(
    random: np.random.Generator,
) -> None:
    made = write_sentences(lexicon.TRAINING, 4000, random)

    reduced = {reduce_text(text.decode()) for text in made.texts}

    measured = [text for texts in PROBES.values() for text in texts]
    measured += [text for text, _ in SENTENCES]
    assert reduced.isdisjoint(map(reduce_text, measured))
    assert is_measured(measured[0].upper() + " !")


def test_a_word_of_opinion_is_denied_or_exchanged(random: np.random.Generator) -> None:
    editor = Editor(random)
    words = ("the", "film", "was", "wonderful", ".")

    turned = [editor.turn(words) for _ in range(100)]

    assert all(each is not None and each != words for each in turned)
    assert ("the", "film", "was", "not", "wonderful", ".") in turned
    assert any("wonderful" not in each for each in turned if each)


@pytest.mark.parametrize(
    "text", ["it was not wonderful .", "it could be good .", "a film .", "bad but good"]
)
def test_what_may_be_turned_round_already_is_left_alone(text: str) -> None:
    editor = Editor(np.random.default_rng(0))

    assert not (editor.says(text.split(), 1) or editor.says(text.split(), 0))


def test_variants_are_likes_and_dislikes_of_every_kind(
    random: np.random.Generator,
) -> None:
    reviews = [
        (["it", "was", "a", "great", "film", ".", "we", "went", "home", "."], 1),
        (["i", "loved", "it", ".", "the", "plot", "is", "dull", "."], 1),
        (["the", "plot", "is", "dull", ".", "it", "was", "awful", "."], 0),
    ]
    editor = Editor(random)

    opinions = find_opinions(reviews, editor)
    texts, labels = make_variants(opinions, 240, editor)

    assert [len(some) for some in opinions] == [2, 2]
    assert sum(labels) == 120
    assert any(
        "not" in text and label for text, label in zip(texts, labels, strict=True)
    )
    assert any("but" in text for text in texts)


def test_sentences_keep_the_sign_that_ends_them() -> None:
    found = list(split_sentences(["so", "good", "!", "a", "b", "c"]))

    assert found == [("so", "good", "!"), ("a", "b", "c")]


def test_a_table_gives_its_ngrams_their_weights_and_others_none() -> None:
    random = np.random.default_rng(1)
    keys = np.sort(random.choice(KEYS, 5000, replace=False))
    weights = random.standard_normal(5000)
    table, most = ngram_table.pack_weights(Linear(keys, weights, 0.0))
    strangers = random.choice(KEYS, 5000, replace=False)

    found, nothing = (
        ngram_table.look_up(tf.constant(table), most, tf.constant(some)).numpy()
        for some in (keys, strangers)
    )

    assert np.mean(np.abs(found - weights) < 0.05) > 0.99  # a few share a bucket
    assert np.mean(nothing != 0) < 0.001


def test_a_block_computes_what_a_loop_of_steps_does_and_learns_as_one() -> None:
    random = np.random.default_rng(1)
    steps = tf.constant(random.standard_normal((3, 5, 4)), tf.float32)
    lengths = tf.constant([5, 2, 0])
    real = np.arange(5) < lengths.numpy()[:, None]
    aim = tf.constant(random.standard_normal((3, 5, 12)) * real[:, :, None], tf.float32)
    ours = BlockLSTM(6)
    ours(steps, lengths)
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=True))
    theirs(steps, mask=real)
    weights = []
    for kernel, bias in zip(ours.kernels, ours.biases, strict=True):
        kernel = reorder_gates(kernel)
        weights += [kernel[:4], kernel[4:], reorder_gates(bias)]
    theirs.set_weights(weights)

    with tf.GradientTape() as tape:
        found = tf.reduce_sum(ours(steps, lengths) * aim)
    learned = tape.gradient(found, [each.value for each in ours.trainable_weights])
    with tf.GradientTape() as tape:
        expected = tf.reduce_sum(theirs(steps, mask=real) * aim)
    parts = tape.gradient(expected, [each.value for each in theirs.trainable_weights])

    assert float(found) == pytest.approx(float(expected), abs=1e-5)
    for ours_of, first in ((learned[:2], 0), (learned[2:], 3)):
        kernel = reorder_gates(np.concatenate(parts[first : first + 2]))
        np.testing.assert_allclose(ours_of[0], kernel, atol=1e-5)
        bias = reorder_gates(parts[first + 2])
        np.testing.assert_allclose(ours_of[1], bias, atol=1e-5)


def test_a_text_is_as_familiar_as_its_words_are_usual() -> None:
    words = (b"the", b"film", b".", "👍".encode())
    familiarity = Familiarity(words, np.array([0, 0, 900, 99, 1, 0]))
    ids = tf.ragged.constant([[2, 3], [2, 1], [4, 4], [5], []], tf.int64)

    found = {name: rows.numpy() for name, rows in familiarity.measure(ids).items()}

    assert found["familiarity"][0] > found["familiarity"][1]
    assert found["familiarity"][2:].tolist() == [0, 0, 0]
    assert found["known_words"].tolist() == [2, 1, 0, 1, 0]
    assert found["unknown_tokens"].tolist() == [0, 1, 0, 0, 0]


def test_the_band_is_as_wide_as_answers_in_it_are_guesses() -> None:
    probability = np.concatenate([np.full(100, 0.6), np.full(100, 0.9)])
    right = np.concatenate([np.arange(100) % 2 == 0, np.ones(100, bool)])

    assert choose_band(probability, right) == 0.25
    assert choose_band(probability, np.ones(200, bool)) == 0.05


def test_thresholds_of_familiarity_go_by_the_number_of_words() -> None:
    caution = Caution(0.1, (-7.0, -5.0, -4.0))
    words, familiarity = np.array([0, 2, 3, 5, 6, 90]), np.full(6, -4.5)

    assert caution.is_strange(words, familiarity).tolist() == [False] * 4 + [True] * 2
    assert replace(caution, unsure_within=0.2).is_unsure(np.array([0.65])).all()
