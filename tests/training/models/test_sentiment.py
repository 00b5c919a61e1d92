"""The sentiment trainer's parts, a tiny model of it, and the model that we ship."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.integrity import verify_files
from service.contract.manifest import read_manifest
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from tests.training.models.tiny_sentiment import export_tiny
from training.core.prediction import predict
from training.datasets import imdb
from training.datasets.fetch import DEFAULT_DATA_DIR
from training.models.sentiment import short_texts, text
from training.models.sentiment.card import summarise
from training.models.sentiment.caution import Caution
from training.models.sentiment.checklist import CAPABILITIES
from training.models.sentiment.corpus import (
    Corpus,
    cut_pieces,
    cut_windows,
    iterate_batches,
    mark_blocks,
    truncate_rows,
)
from training.models.sentiment.lengths import accuracy_by_length
from training.models.sentiment.model import as_strings
from training.models.sentiment.short_sentences import SENTENCES

LEAST_RIGHT = {"words": 0.9, "negation": 0.8, "contrast": 0.8}
SHIPPED = Path(__file__).parents[3] / "artifacts" / "sentiment" / "2"


@pytest.fixture(scope="module")
def tiny_sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version of a small model, trained once for all who read it."""
    return export_tiny(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def tiny(tiny_sentiment: Path) -> TensorFlowModel:
    return load(tiny_sentiment)


def load(folder: Path) -> TensorFlowModel:
    saved = tf.saved_model.load(str(folder))
    return TensorFlowModel(saved, read_manifest(folder), "/CPU:0")


def ask(model: TensorFlowModel, *texts: str) -> list[tuple[float, int, int]]:
    """Probability, tokens and unknown tokens of each text, in one batch."""
    found = outputs_of(model, *texts)
    columns = (found[name] for name in ("probability", "tokens", "unknown_tokens"))
    return [(float(p), int(n), int(u)) for p, n, u in zip(*columns, strict=True)]


def outputs_of(model: TensorFlowModel, *texts: str) -> dict[str, Any]:
    """Output → (rows,) of all texts, in one batch."""
    rows = as_strings([each.encode() for each in texts])
    signature = model.contract.signatures["serving_default"]
    names = [each.name for each in signature.outputs]
    return dict(zip(names, model.run("serving_default", (rows,)), strict=True))


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        pytest.param("I didn't like it.", "i didn't like it .", id="contraction"),
        pytest.param("I didn’t", "i didn't", id="curly apostrophe"),
        pytest.param("Bad.<br /><br />Worse!", "bad . worse !", id="line break"),
        pytest.param("<p class='x'>Fine</p>", "fine", id="markup"),
        pytest.param("a < b > c", "a b c", id="no markup"),
        pytest.param("7/10, really?!", "7/10 , really ? !", id="rating"),
        pytest.param("well-made", "well made", id="hyphen"),
        pytest.param("Fun :-) (mostly)", "fun :-) mostly", id="smiley"),
        pytest.param("ÉTÉ Ünique", "été ünique", id="accents"),
        pytest.param("👍👍 wow", "👍 👍 wow", id="emoji"),
        pytest.param("I ❤️ it 👍🏽", "i ❤ it 👍", id="emoji's variants"),
        pytest.param("Fun :D <3 =(", "fun :d <3 =(", id="more smileys"),
        pytest.param("3<4, 5=5", "3 4 , 5 5", id="no smileys"),
        pytest.param("Отличный фильм", "отличный фильм", id="cyrillic"),
        pytest.param("很好的电影。", "很好的电影", id="chinese"),
        pytest.param("\x00a\tb\u00a0c", "a b c", id="controls"),
        pytest.param("", "", id="empty"),
    ],
)
def test_text_becomes_tokens(given: str, tokens: str) -> None:
    (found,) = text.split_tokens(tf.constant([given.encode()])).numpy()

    assert b" ".join(found).decode() == tokens


def test_bytes_that_are_no_text_harm_nobody() -> None:
    found = text.split_tokens(tf.constant([b"good \xff\xfe film", b"bad"]))

    assert [list(row) for row in found.numpy()][1] == [b"bad"]
    assert b"good" in list(found[0].numpy())


def test_the_middle_of_a_long_text_is_cut() -> None:
    rows = [np.arange(length, dtype=np.int32) for length in (0, 3, 5, 6, 40)]
    corpus = Corpus(rows, np.arange(5), np.ones(5, np.float32))

    cut = truncate_rows(corpus, 2, 3)

    assert [len(row) for row in cut.rows] == [0, 3, 5, 5, 5]
    assert cut.rows[-1].tolist() == [0, 1, 37, 38, 39]
    assert cut.rows[-1].dtype == np.int32
    assert cut.labels.tolist() == [0, 1, 2, 3, 4]


def test_widths_come_in_buckets() -> None:
    def width(*lengths: int) -> int:
        ids = tf.RaggedTensor.from_row_lengths(
            tf.ones(sum(lengths), tf.int64), list(lengths)
        )
        return int(text.pad(ids, 32, 384).shape[1])

    assert [width(0), width(1, 32), width(33), width(384)] == [32, 32, 64, 384]


def test_a_window_is_as_long_as_it_may_be_and_lies_within_its_row() -> None:
    rows = [np.arange(length, dtype=np.int32) for length in (0, 3, 40)]
    corpus = Corpus(rows, np.arange(3), np.ones(3, np.float32))

    cut = cut_windows(corpus, (8,), np.random.default_rng(1))

    assert [len(row) for row in cut.rows] == [0, 3, 8]
    assert np.all(np.diff(cut.rows[2]) == 1)


def test_ngrams_stop_at_rows_and_at_unknown_words() -> None:
    ids = tf.ragged.constant([[5, 6, 7], [], [5, 6, text.UNKNOWN, 6]], tf.int64)

    rows, keys = text.number_ngrams(ids, 2)

    assert np.bincount(rows, minlength=3).tolist() == [5, 0, 3]  # 5, 6, and 5 6
    assert set(keys[rows == 2]) <= set(keys[rows == 0])


def test_neighbours_are_held_out_together() -> None:
    marked = mark_blocks(np.repeat([0, 1], 1000), share=10, length=25)

    assert marked.sum() == 200
    assert marked.reshape(-1, 25).any(axis=1).sum() == 200 / 25


def test_pieces_are_whole_sentences() -> None:
    stop = 9
    row = np.array([1, 2, stop, 3, stop, 4, 5, stop], np.int32)
    sentences = {(1, 2, stop), (3, stop), (4, 5, stop)}
    many = Corpus([row] * 50, np.zeros(50, np.int64), np.ones(50, np.float32))

    pieces = cut_pieces(many, np.array([stop]), 1, 0.3, np.random.default_rng(0))

    assert {tuple(piece.tolist()) for piece in pieces.rows} == sentences
    assert np.all(pieces.weights == np.float32(0.3))


def test_every_row_is_in_one_batch_an_epoch() -> None:
    rows = [np.full(length, length, np.int32) for length in range(1, 101)]
    corpus = Corpus(rows, np.zeros(100, np.int64), np.ones(100, np.float32))

    batches = list(iterate_batches(corpus, 16, 32, np.random.default_rng(0)))

    seen = sorted(int(row[0]) for ids, _, _ in batches for row in ids)
    assert seen == list(range(1, 101))
    assert all(ids.shape[1] % 32 == 0 for ids, _, _ in batches)


def test_accuracy_is_told_by_length() -> None:
    found = accuracy_by_length(np.array([True, False, True]), np.array([3, 50, 51]))

    assert found == {
        "1-50": {"accuracy": 0.5, "rows": 2},
        "51-100": {"accuracy": 1.0, "rows": 1},
    }


def test_training_measures_what_it_wrote(tiny_sentiment: Path) -> None:
    manifest = read_manifest(tiny_sentiment)

    verify_files(tiny_sentiment, manifest)
    assert manifest.metrics["test"]["rows"] == 40
    assert manifest.metrics["test"]["accuracy"] > 0.8
    assert manifest.metrics["short_sentences"]["rows"] == 40
    assert manifest.training is not None
    assert len(manifest.training.hyperparameters["blend"]) == 9
    assert manifest.metrics["probes"]["rows"] == 200
    assert "wrong" not in manifest.metrics["probes"]  # nobody is to tune on them
    assert manifest.metrics["ablation"]["test"].keys() == {
        "ngrams_alone",
        "lstm_alone",
        "together",
    }
    assert sum(name.startswith("report/") for name in manifest.files) == 4


def test_the_tiny_model_tells_likes_from_dislikes(tiny: TensorFlowModel) -> None:
    liked, disliked = ask(tiny, "A wonderful film!", "An awful film.")

    assert liked[0] > 0.5 > disliked[0]
    assert liked[1:] == (4, 0)


def test_a_row_does_not_depend_on_its_company(tiny: TensorFlowModel) -> None:
    short, long = "An awful film.", "wonderful story . " * 300
    (alone,) = ask(tiny, short)

    beside, _ = ask(tiny, short, long)

    assert beside[0] == pytest.approx(alone[0], abs=1e-6)
    assert beside[1:] == alone[1:]


@pytest.mark.parametrize(
    ("given", "tokens", "unknown"),
    [
        pytest.param("", 0, 0, id="empty"),
        pytest.param(" \n ", 0, 0, id="blank"),
        pytest.param("🎬🎬", 2, 2, id="emoji"),
        pytest.param("ein völlig fremder Satz", 4, 4, id="another language"),
        pytest.param("film " * 20_000, 20_000, 0, id="100,000 characters"),
        pytest.param("x" * 100_000, 1, 1, id="one word of 100,000 characters"),
        pytest.param("<" * 100_000, 0, 0, id="100,000 brackets"),
    ],
)
def test_any_text_has_an_answer(
    tiny: TensorFlowModel, given: str, tokens: int, unknown: int
) -> None:
    ((probability, *counts),) = ask(tiny, given)

    assert 0 <= probability <= 1
    assert counts == [tokens, unknown]


def test_half_of_the_forty_sentences_are_likes() -> None:
    assert len(SENTENCES) == 40
    assert sum(label for _, label in SENTENCES) == 20


shipped = pytest.mark.skipif(not SHIPPED.exists(), reason="sentiment is not trained")


class Shipped:
    """The written model, as `short_texts` asks it."""

    def __init__(self) -> None:
        self._model = load(SHIPPED)

    def classify(self, text: Any) -> dict[str, Any]:
        """See `SentimentModel.classify`."""
        texts = [each.decode() for each in text.numpy()]
        padded = texts + [""] * (-len(texts) % 32)
        found = outputs_of(self._model, *padded)
        return {name: tf.constant(rows[: len(texts)]) for name, rows in found.items()}


@pytest.fixture(scope="module")
def published() -> Shipped:
    return Shipped()


@pytest.fixture(scope="module")
def caution() -> Caution:
    constants = read_manifest(SHIPPED).constants
    least = [each["familiarity"] for each in constants["least_familiarity"]]
    return Caution(constants["unsure_within"], tuple(least))


@shipped
@pytest.mark.slow
def test_the_shipped_accuracy_comes_out_again_on_reviews_it_never_saw() -> None:
    if not (DEFAULT_DATA_DIR / "imdb" / imdb.FILE).exists():
        pytest.skip("IMDB's reviews are not there")
    test = imdb.load(sources=()).test
    some = test.select(np.arange(0, len(test), 10))
    served = tf.saved_model.load(str(SHIPPED)).signatures["serving_default"]
    shortest_first = some.select(np.argsort([len(text) for text in some.texts]))

    answers = predict(served, {"text": shortest_first.texts}, 100)
    figures = summarise(shortest_first, answers)

    said = read_manifest(SHIPPED).metrics["test"]
    assert figures["accuracy"] >= 0.905
    error = 3 * figures["accuracy_standard_error"]
    assert figures["accuracy"] == pytest.approx(said["accuracy"], abs=error)
    assert figures["area_under_roc"] == pytest.approx(said["area_under_roc"], abs=0.01)
    assert figures["expected_calibration_error"] <= 0.04


@shipped
def test_a_text_of_unknown_words_gets_no_confident_answer() -> None:
    model = load(SHIPPED)

    for foreign in ("völlig fremd", "это кино", ""):
        ((probability, *_),) = ask(model, foreign)
        assert abs(probability - 0.5) < 0.2, foreign


@shipped
def test_the_forty_sentences_and_the_two_hundred_come_out_as_they_were_measured(
    published: Shipped, caution: Caution
) -> None:
    said = read_manifest(SHIPPED).metrics

    found = short_texts.measure_short(published, caution)

    for name in ("short_sentences", "probes", "checklist"):
        assert found[name]["accuracy"] == said[name]["accuracy"], name
    assert found["other_languages"] == said["other_languages"]


@shipped
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_shipped_model_passes_the_checklist(
    published: Shipped, capability: str
) -> None:
    counted = short_texts.measure_checks(published)["right_by_capability"][capability]

    assert counted["right"] / counted["rows"] >= LEAST_RIGHT[capability]


@shipped
@pytest.mark.parametrize(
    ("text", "liked"),
    [
        pytest.param("Not bad at all!", 1, id="not bad"),
        pytest.param("Never boring.", 1, id="never boring"),
        pytest.param("Far from disappointing.", 1, id="far from disappointing"),
        pytest.param('"good"', 1, id="a word"),
        pytest.param("👍", 1, id="thumbs up"),
        pytest.param("👎", 0, id="thumbs down"),
    ],
)
def test_what_version_1_had_wrong_is_right(
    published: Shipped, text: str, liked: int
) -> None:
    (probability,) = short_texts.ask(published, [text])["probability"]

    assert (probability > 0.5) == liked
