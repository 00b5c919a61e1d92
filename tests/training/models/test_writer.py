"""The writer's alphabet, streams, network and whole numbers, each by itself."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training.datasets.imdb import Reviews
from training.models.writer import whole_numbers as whole
from training.models.writer.alphabet import (
    REPLACEMENTS,
    STOP,
    SYMBOLS,
    decode,
    encode,
)
from training.models.writer.batches import iterate_batches, stream_batches
from training.models.writer.contexts import (
    BUCKETS,
    LENGTHS,
    MEMORY,
    begin,
    find_buckets,
    find_buckets_in_graph,
)
from training.models.writer.copying import build_index, measure_copies
from training.models.writer.corpus import Corpus, clean, read
from training.models.writer.fitting import rate_at
from training.models.writer.graph import WriterGraph
from training.models.writer.network import Network
from training.models.writer.ngram import chances_of, measure_ngrams
from training.models.writer.recipe import Recipe
from training.models.writer.scoring import score_in_floats, score_reviews
from training.models.writer.whole_numbers import (
    NotExact,
    WholeNetwork,
    convert,
    move_exactly,
)
from training.models.writer.writing import Asked, Pen, choose, lay_out

pytestmark = pytest.mark.slow

PROMPTS = 12  # symbols in a prompt, at most


def as_corpus(*texts: str, moods: tuple[int, ...] | None = None) -> Corpus:
    rows = [text.encode() for text in texts]
    labels = np.array(moods or [0] * len(rows))
    return read(Reviews(np.array(rows, dtype=object), labels))


@pytest.fixture(scope="module")
def network() -> Network:
    network = Network(len(SYMBOLS), 2, units=24, width=6, seed=3)
    random = np.random.default_rng(4)
    network.contexts.assign(random.normal(0, 0.3, network.contexts.shape))
    return network


@pytest.fixture(scope="module")
def exact(network: Network) -> WholeNetwork:
    return convert(network.as_arrays())


@pytest.fixture(scope="module", params=[0.0, 1.5], ids=["as it is", "pushed"])
def graph(request: pytest.FixtureRequest, exact: WholeNetwork) -> WriterGraph:
    return WriterGraph(exact, PROMPTS, push=request.param)


@pytest.fixture(scope="module")
def functions(graph: WriterGraph) -> Any:
    return graph.build_functions({}, {})


def test_every_symbol_is_there_once_and_the_stop_is_the_first() -> None:
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 62
    assert SYMBOLS[0] == STOP


def test_what_stands_for_a_character_is_of_the_alphabet() -> None:
    assert set("".join(REPLACEMENTS.values())) <= set(SYMBOLS)
    assert not set(REPLACEMENTS) & set(SYMBOLS)
    assert (REPLACEMENTS["É"], REPLACEMENTS["“"], REPLACEMENTS["Q"]) == ("e", '"', "q")


def test_a_text_is_numbered_and_back() -> None:
    assert decode(encode("10/10 - a gem!")) == "10/10 - a gem!"
    with pytest.raises(ValueError, match="received \\['A'\\]"):
        encode("A gem")


def test_a_review_is_brought_into_the_alphabet() -> None:
    text = "Café  “Noir”<br /><br />was <i>great</i>\x85\n It\x92s 9½☃ & worth £5"
    expected = 'cafe "noir" was great ... it\'s 91/2 & worth 5'
    assert clean(text) == expected.replace("great ...", "great ...")


def test_reviews_of_nothing_are_left_out() -> None:
    corpus = as_corpus("A film.", "☃", "B", moods=(0, 1, 1))
    assert corpus.lengths.tolist() == [8, 2]
    assert corpus.moods.tolist() == [0, 1]
    assert decode(corpus.symbols) == "a film.\nb\n"


def test_a_batch_goes_on_where_the_one_before_ended() -> None:
    corpus = as_corpus(*("abcdefghij" * 4 for _ in range(5)), moods=(0, 1, 0, 1, 1))
    batches = [*iterate_batches(corpus, 2, 7, np.random.default_rng(0))]
    assert len(batches) == 205 // 14
    for before, after in pairwise(batches):
        assert np.array_equal(after.symbols[0], before.targets[-1])
    for batch in batches:
        assert np.array_equal(batch.symbols[1:], batch.targets[:-1])


def test_runs_of_symbols_are_found_as_they_stand_in_the_streams() -> None:
    corpus = as_corpus(*("abcdefghij" * 4 for _ in range(5)))
    batches = [*iterate_batches(corpus, 2, 7, np.random.default_rng(0))]
    streams = np.concatenate([batch.symbols for batch in batches])
    together = np.concatenate([batch.buckets for batch in batches])
    assert np.array_equal(together, look_up(streams))


def test_a_graph_finds_the_same_buckets() -> None:
    random = np.random.default_rng(0)
    streams = random.integers(0, len(SYMBOLS), (200, 9)).astype(np.int32)
    streams[random.random(streams.shape) < 0.1] = 0
    expected = look_up(streams)
    recent = tf.zeros((9, MEMORY), tf.int32)
    for symbols, buckets in zip(streams, expected, strict=True):
        found, recent = find_buckets_in_graph(tf.constant(symbols), recent)
        assert np.array_equal(found, buckets)


def test_every_length_of_runs_has_buckets_of_its_own_and_uses_them() -> None:
    random = np.random.default_rng(0)
    found = find_buckets(random.integers(1, len(SYMBOLS), (60_000, 3)))
    ends = np.cumsum(BUCKETS)
    for column, (size, end) in enumerate(zip(BUCKETS, ends, strict=True)):
        buckets = found[..., column]
        assert end - size <= buckets.min() <= buckets.max() < end
        assert len(np.unique(buckets)) > 0.9 * min(size, 61**2)
    pairs = np.array([[7, 8], [1, 2], [3, 4], [5, 6], [9, 9], [2, 2]])[-MEMORY - 1 :]
    assert (find_buckets(pairs)[0, :, 0] == pairs[-1] + 64 * pairs[-2]).all()


def test_nothing_is_known_from_before_a_stop() -> None:
    before = np.array([5, 9, 3, 0, 7]), np.array([1, 1, 1, 0, 7])
    found = find_buckets(np.stack(before, 1)[-MEMORY - 1 :])
    assert np.array_equal(found[0, 0], found[0, 1])


def test_a_mood_is_that_of_the_symbol_to_come() -> None:
    corpus = as_corpus("aaaa", "bbbb", moods=(0, 1))
    batches = [*iterate_batches(corpus, 1, 5, np.random.default_rng(1))]
    for batch in batches:
        letter = set(decode(batch.targets[:, 0])) - {STOP}
        assert set(batch.moods[:, 0]) == {0 if letter == {"a"} else 1}


def test_too_few_reviews_for_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 100 characters"):
        next(stream_batches(as_corpus("abc"), 10, 10, np.random.default_rng(0)))


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    recipe = Recipe(epochs=10, epoch_batches=4, cooling_epochs=4, learning_rate=1.0)
    rates = [rate_at(recipe, epoch, batch) for epoch in range(10) for batch in range(4)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert set(rates[4:24]) == {1.0}
    assert rates[-1] == 0
    assert all(later < earlier for earlier, later in pairwise(rates[23:]))


def test_the_way_back_is_that_of_automatic_differentiation(network: Network) -> None:
    random = np.random.default_rng(0)
    symbols, moods = random.integers(0, 9, (7, 3)), random.integers(0, 2, (7, 3))
    targets = random.integers(0, 62, (7, 3))

    def lose(read: Any) -> Any:
        given = (symbols, look_up(symbols), moods)
        logits = read(*(tf.constant(each, tf.int32) for each in given))
        return tf.reduce_sum(
            tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        )

    weights = [each.value for each in network.weights]
    with tf.GradientTape() as tape:
        tape.watch(network.contexts.value)
        state = network.begin(3)
        loss = lose(lambda x, y, z: network.read(x, y, z, state, tf.float32)[0])
    found = tape.gradient(loss, weights)
    with tf.GradientTape() as tape:
        tape.watch(network.contexts.value)
        other = lose(lambda *x: unroll(network, *x))
    expected = tape.gradient(other, weights)
    assert float(loss) == pytest.approx(float(other), rel=1e-5)
    for one, two in zip(found, expected, strict=True):
        assert np.allclose(
            tf.convert_to_tensor(one), tf.convert_to_tensor(two), atol=1e-4
        )


def look_up(symbols: Any) -> Any:
    return find_buckets(begin(symbols))


def unroll(network: Network, symbols: Any, buckets: Any, moods: Any) -> Any:
    """The same LSTM as a textbook writes it."""
    h, c = network.begin(symbols.shape[1])
    logits = []
    for t in range(symbols.shape[0]):
        keep = tf.cast(symbols[t] != 0, tf.float32)[:, None]
        h, c = h * keep, c * keep
        sums = tf.matmul(h, network.recurrent.value) + network.gate_bias.value
        sums += tf.gather(network.symbol.value, symbols[t])
        sums += tf.gather(network.mood.value, moods[t])
        x = tf.reduce_sum(tf.gather(network.contexts.value, buckets[t]), axis=1)
        sums += tf.matmul(x, network.context_kernel.value)
        entry, forget, candidate, output = tf.split(sums, 4, axis=1)
        c = tf.sigmoid(forget) * c + tf.sigmoid(entry) * tf.tanh(candidate)
        h = tf.sigmoid(output) * tf.tanh(c)
        told = tf.matmul(h, network.output_kernel.value) + network.output_bias.value
        logits.append(told + tf.matmul(x, network.context_output.value))
    return tf.stack(logits)


def test_a_review_knows_nothing_of_the_one_before(network: Network) -> None:
    texts = np.array([[5, 9, 0, 7], [3, 3, 0, 7]], np.int32).T
    moods = np.zeros_like(texts)
    buckets = look_up(texts)
    logits, _ = network.read(texts, buckets, moods, network.begin(2), tf.float32)
    assert np.array_equal(logits[2:, 0], logits[2:, 1])
    assert not np.array_equal(logits[1, 0], logits[1, 1])


def test_float32_computes_what_whole_numbers_come_to(
    exact: WholeNetwork, graph: WriterGraph, functions: Any
) -> None:
    random = np.random.default_rng(5)
    rows = 33
    control = random.integers(0, 2, rows)
    runs = random.integers(0, 62, (MEMORY + 1, rows))
    runs[0, :9], runs[1, 5:9], runs[-1, 7:12] = 0, 0, 0
    recent = np.where(runs[-1] == 0, 0, runs[:-1])
    for place in range(MEMORY - 1, 0, -1):  # zeros from where a text begins
        recent[place - 1] *= recent[place] != 0
    states, expected = [recent[::-1].T], [np.vstack([runs[-1], recent[:0:-1]]).T]
    logits = []
    for mood in (control, 1 - control)[: 2 if graph.push else 1]:
        h = random.integers(-256, 257, (rows, exact.units))
        c = random.integers(-8191, 8192, (rows, exact.units))
        states += [h, c]
        *moved, told = move_exactly(exact, h, c, runs, mood)
        expected += moved
        logits.append(told)
    found = functions["step"].call(
        symbol=tf.constant(runs[-1], tf.int32),
        state=tf.constant(np.hstack(states), tf.int32),
        control=tf.constant(control, tf.int32),
    )
    pushed = logits[0] + np.rint((logits[0] - logits[-1]) * graph.push).astype(np.int64)
    assert np.array_equal(found["state"], np.hstack(expected))
    assert np.array_equal(found["logits"], pushed)


def test_the_largest_weights_and_states_still_add_up_exactly() -> None:
    weights = Network(62, 2, units=8, width=4, seed=0).as_arrays()
    for name in ("recurrent", "contexts", "context_kernel"):
        weights[name] = np.full_like(weights[name], 5.0)
    exact = convert(weights)
    largest = np.abs(exact.kernel).sum(0).max() * whole.OUTPUT_STEPS
    assert largest <= whole.LARGEST_SUM
    assert np.abs(exact.contexts).max() * len(LENGTHS) <= whole.OUTPUT_STEPS
    weights["recurrent"] = np.full_like(weights["recurrent"], np.nan)
    with pytest.raises(NotExact, match="received nan"):
        convert(weights)


def test_a_prompt_is_read_as_steps_would_read_it(functions: Any) -> None:
    prompts = [encode('a bad film."'), encode("oh"), encode("")]
    control = tf.constant([0, 1, 1])
    together = functions["read"].call(
        prompt=tf.constant(lay_out(prompts, PROMPTS)), control=control
    )
    for row, prompt in enumerate(prompts):
        found = functions["read"].call(
            prompt=tf.constant(lay_out([prompt[:0]], PROMPTS)),
            control=control[row][None],
        )
        for symbol in prompt:
            found = functions["step"].call(
                symbol=tf.constant([symbol], tf.int32),
                state=found["state"],
                control=control[row][None],
            )
        for name in ("state", "logits"):
            assert np.array_equal(found[name][0], together[name][row]), (row, name)


def test_what_is_out_of_range_harms_no_other_row(functions: Any) -> None:
    state = np.zeros((3, functions["step"].inputs[1].shape[1]), np.int32)
    state[0], state[1] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
    given = functions["step"].call(
        symbol=tf.constant([-(2**31), 2**31 - 1, 7]),
        state=tf.constant(state),
        control=tf.constant([99, -99, 1]),
    )
    alone = functions["step"].call(
        symbol=tf.constant([7]), state=tf.constant(state[2:]), control=tf.constant([1])
    )
    assert np.array_equal(given["logits"][2], alone["logits"][0])


def test_the_same_seed_writes_the_same_text_alone_and_in_a_crowd(
    functions: Any,
) -> None:
    asked = Asked(length=40, seed=5)
    moods, prompts = np.arange(7) % 2, [encode("well")] * 7
    crowd = Pen(functions).write(moods, asked, prompts)
    pairs = Pen(functions, rows=2).write(moods, asked, prompts)
    assert crowd == pairs
    assert len(set(crowd)) == 7


def test_a_symbol_is_drawn_as_often_as_its_logit_says() -> None:
    logits = np.array([[0, 256, 512]] * 20_000)
    drawn = choose(logits, 0.5, np.random.default_rng(0).random(20_000))
    expected = np.exp([0.0, 2.0, 4.0]) / np.exp([0.0, 2.0, 4.0]).sum()
    assert np.allclose(np.bincount(drawn, minlength=3) / 20_000, expected, atol=0.01)
    forbidden = choose(logits, 0.5, np.zeros(20_000), stops=False)
    assert set(forbidden) == {1}


def test_n_grams_tell_what_they_have_counted() -> None:
    text = encode("abcd" * 500)
    held_out = encode("abcd" * 20)
    assert measure_ngrams(text, held_out, 62, order=1) == pytest.approx(2, abs=0.01)
    assert measure_ngrams(text, held_out, 62, order=3) < 0.2


def test_chances_of_n_grams_add_up_to_one() -> None:
    random = np.random.default_rng(0)
    training = random.integers(0, 5, 400).astype(np.uint8)
    context = training[50:53]
    chances = [
        chances_of(training, np.append(context, each).astype(np.uint8), 62, 4)[-1]
        for each in range(62)
    ]
    assert sum(chances) == pytest.approx(1)


def test_a_copied_run_is_found_at_its_full_length() -> None:
    random = np.random.default_rng(0)
    learnt = random.integers(1, 62, 5000).astype(np.uint8)
    copied = decode(learnt[1000:1037])
    texts = ["nothing of it stands there at all, nothing", f'a: {copied}"', "short"]
    index = build_index(learnt)
    found = measure_copies(index, texts)
    assert found[0] == found[2] == 0
    assert 37 <= found[1] <= 38
    assert measure_copies(index, [decode(learnt[-30:])]).tolist() == [30]
    assert measure_copies(index, []).tolist() == []


def test_held_out_reviews_are_scored_as_steps_would_tell_them(
    graph: WriterGraph, functions: Any
) -> None:
    corpus = as_corpus("a bad film.", "good", "so-so, i say", moods=(0, 1, 1))
    found = score_reviews(tf.function(graph.score, autograph=False), corpus, streams=2)
    for row, review in enumerate(corpus.split()):
        control = tf.constant(corpus.moods[[row]], tf.int32)
        empty = tf.constant(lay_out([review[:0]], PROMPTS))
        given = functions["read"].call(prompt=empty, control=control)
        bits = 0.0
        for symbol in review:
            logits = given["logits"].numpy()[0] / whole.LOGIT_STEPS
            bits += float(np.log2(np.exp(logits).sum()) - logits[symbol] / np.log(2))
            given = functions["step"].call(
                symbol=tf.constant([symbol], tf.int32),
                state=given["state"],
                control=control,
            )
        assert found[row] == pytest.approx(bits, rel=1e-4)


def test_floats_are_scored_alike(network: Network) -> None:
    corpus = as_corpus("a bad film.", "good", "so-so, i say", moods=(0, 1, 1))
    floats = score_reviews(score_in_floats(network, steps=5), corpus)
    exact = WriterGraph(convert(network.as_arrays()), PROMPTS)
    rounded = score_reviews(tf.function(exact.score, autograph=False), corpus)
    assert np.allclose(floats, rounded, rtol=1e-2)
