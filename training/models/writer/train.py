"""Train the writer: IMDB → a character LSTM → artifacts/writer/<version>.

reviews ─▶ 62 symbols ─▶ LSTM, in floats ─▶ whole numbers ─▶ moods pushed apart ─▶ texts
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from service.contract.manifest import Training
from training.core import provenance
from training.core.export import export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.datasets import imdb
from training.models.sentiment.corpus import mark_blocks
from training.models.writer import card, measures
from training.models.writer.alphabet import SYMBOLS
from training.models.writer.copying import build_index
from training.models.writer.corpus import MOODS, Corpus, read
from training.models.writer.fitting import History, fit
from training.models.writer.graph import WriterGraph
from training.models.writer.network import Network
from training.models.writer.ngram import ORDER, measure_ngrams
from training.models.writer.recipe import QUICK, Recipe
from training.models.writer.scoring import score_in_floats, score_reviews
from training.models.writer.whole_numbers import WholeNetwork, convert
from training.models.writer.writing import Asked, Pen

log = logging.getLogger(__name__)

JUDGE = Path(__file__).parents[3] / "artifacts" / "sentiment" / "1"
GOAL = 0.93  # of trials, so that 0.90 of what is reported is safe
LENGTH = 300  # characters of a text whose mood is judged
SHORTER = (100, 200)
LONG = 1_000
_LONG_SHARE = 5  # every so manieth of the texts is written at that length too
_FEW = 100  # reviews that floats and whole numbers are compared on


@dataclass(frozen=True, slots=True)
class Corpora:
    """Reviews in symbols.

    Attributes:
        training: learnt from.
        validation: of other films, watched while training.
        test: of the test half, evenly from the whole.
        repeated: training reviews left out, being in the test half or there twice.
    """

    training: Corpus
    validation: Corpus
    test: Corpus
    repeated: int

    def count(self) -> dict[str, int]:
        """Reviews of each."""
        return {
            "train": len(self.training),
            "validation": len(self.validation),
            "test": len(self.test),
            "left_out_of_train_as_repeated": self.repeated,
        }


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, how it came to be, and what it is to be held against.

    Attributes:
        network: in floats.
        recipe: that it was trained by.
        ran: the training, for the manifest.
        history: metric → value at each epoch.
        ngrams: bits a symbol of the test reviews that counts of n-grams need.
    """

    network: Network
    recipe: Recipe
    ran: Training
    history: History
    ngrams: float


def train(options: RunOptions) -> None:
    """Film reviews, written letter by letter, kind or unkind: an LSTM, on IMDB.

    About an hour on two cores. The sentiment model judges what it writes.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    corpora = read_corpora(imdb.load(options.data_dir), recipe)
    ngrams = measure_ngrams(
        corpora.training.symbols, corpora.test.symbols, len(SYMBOLS)
    )
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    network = build_network(recipe, options.seed)
    history = fit(network, corpora.training, corpora.validation, recipe, options.seed)
    data = (imdb.describe(corpora.count()),)
    ran = run.finish(data, recipe.epochs, asdict(recipe))
    trained = Trained(network, recipe, ran, history, ngrams)
    log.info("Wrote %s", publish(trained, corpora, options.artifacts_dir))


def read_corpora(data: imdb.Imdb, recipe: Recipe) -> Corpora:
    """Cut the training half by films, and thin the test half."""
    repeated = imdb.mark_repeated(data.train, data.test)
    aside = mark_blocks(data.train.labels, recipe.validation_share, recipe.block)
    return Corpora(
        read(thin(data.train.select(~repeated & ~aside), recipe.train_rows)),
        read(data.train.select(~repeated & aside)),
        read(thin(data.test, recipe.measured_reviews)),
        int(repeated.sum()),
    )


def thin(reviews: imdb.Reviews, rows: int) -> imdb.Reviews:
    """At most `rows` of them, evenly from the whole."""
    picked = np.linspace(0, len(reviews) - 1, min(rows, len(reviews))).astype(np.int64)
    return reviews.select(picked)


def build_network(recipe: Recipe, seed: int) -> Network:
    """The network, untrained."""
    return Network(len(SYMBOLS), len(MOODS), recipe.units, recipe.width, seed)


def publish(trained: Trained, corpora: Corpora, artifacts_dir: Path) -> Path:
    """Round a trained network to whole numbers, measure these, and write a version.

    Args:
        trained: the network.
        corpora: that it was trained on, and held out.
        artifacts_dir: the folder of all models.
    """
    recipe, judge = trained.recipe, measures.load_judge(JUDGE)
    exact = convert(trained.network.as_arrays())
    push, tried = choose_push(exact, judge, recipe)
    graph = WriterGraph(exact, card.MAX_PROMPT, push)
    functions = graph.build_functions(*card.draw_samples(graph))
    metrics: dict[str, Any] = {
        **measure_bits(trained.network, graph, corpora.test),
        "ngrams": {"bits": round(trained.ngrams, 4), "order": ORDER},
        "push": push,
        "pushes_tried": tried,
        **measure_texts(Pen(functions), judge, corpora, recipe.measured_texts),
        "parameters": trained.network.count_params(),
    }
    return export_version(
        card.describe(trained.ran, metrics),
        functions,
        artifacts_dir,
        reports=card.draw_reports(trained.history),
    )


def choose_push(
    network: WholeNetwork, judge: measures.Judge, recipe: Recipe
) -> tuple[float, dict[str, float]]:
    """The least push whose texts are often enough found to be as asked.

    Returns:
        It, and the share that agreed with each that was tried; if none is enough, the
        one that agreed most often.
    """
    tried: dict[float, float] = {}
    for push in recipe.pushes:
        graph = WriterGraph(network, card.MAX_PROMPT, push)
        pen = Pen(graph.build_functions({}, {}))
        written = measures.write_texts(pen, recipe.tried_texts, Asked(LENGTH, seed=2))
        tried[push] = measures.summarise_agreement(judge, written)["share"]
        log.info("Push %g: %.1f %% agree", push, 100 * tried[push])
        if tried[push] >= GOAL:
            break
    best = max(tried, key=lambda push: (tried[push], -push))
    return best, {f"{push:g}": share for push, share in tried.items()}


def measure_bits(network: Network, graph: WriterGraph, test: Corpus) -> dict[str, Any]:
    """Bits a symbol on held-out reviews: of the network, and as it is pushed."""
    few = test.select(np.arange(0, len(test), max(1, len(test) // _FEW)))
    alone = WriterGraph(graph.network, card.MAX_PROMPT)
    bits = score_reviews(tf.function(alone.score, autograph=False), test)
    whole = score_reviews(tf.function(alone.score, autograph=False), few)
    floats = score_reviews(score_in_floats(network), few)
    pushed = score_reviews(tf.function(graph.score, autograph=False), few)
    symbols = int(few.lengths.sum())
    return {
        "test": measures.summarise_bits(bits, test),
        "on_fewer_reviews": {
            "reviews": len(few),
            "bits_in_floats": round(float(floats.sum()) / symbols, 4),
            "bits_in_whole_numbers": round(float(whole.sum()) / symbols, 4),
            "bits_pushed": round(float(pushed.sum()) / symbols, 4),
        },
    }


def measure_texts(
    pen: Pen, judge: measures.Judge, corpora: Corpora, texts: int
) -> dict[str, Any]:
    """What it writes: of the mood that was asked for, and by itself?

    The texts are written once, after everything has been chosen.
    """
    written = measures.write_texts(pen, texts, Asked(LENGTH, seed=1))
    longer = measures.write_texts(pen, texts // _LONG_SHARE, Asked(LONG, seed=3))
    index = build_index(corpora.training.symbols)
    reviews = [measures.begin(row, LENGTH) for row in corpora.test.split()]
    return {
        "agreement": measures.summarise_agreement(judge, written),
        "agreement_by_length": measures.summarise_by_length(judge, written, SHORTER)
        | {str(LONG): measures.summarise_agreement(judge, longer)},
        "copied": measures.summarise_copies(index, written),
        "copied_in_long_texts": measures.summarise_copies(index, longer),
        "copied_in_test_reviews": measures.summarise_copies(index, reviews),
        "words": measures.measure_words(written, corpora.training),
    }
