"""The last few symbols as inputs of their own: what counts of letters know, learnt.

    last 2 symbols ─▶ bucket ─▶ row of a table ─┐
    last 3 ─────────▶ bucket ─▶ row of a table ─┼─ sum ─▶ gates, and logits
    ...                                         ┘

A run of symbols has a bucket by its hash, as in "Advances in pre-training distributed
word representations", Mikolov, Grave, Bojanowski, Puhrsch and Joulin, 2018; runs of two
have one each. To look a row up costs next to nothing, and what it knows of spelling the
LSTM need not learn. A run does not reach back over a stop.

The hash is a sum of one number for each symbol and its place, modulo a power of two:
small whole numbers, which every runtime adds up exactly, in floats too.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.writer.alphabet import SYMBOLS

LENGTHS = (2, 3, 4, 5)  # of the runs
BUCKETS = (4_096, 16_384, 32_768, 65_536)  # for the runs of each length
MEMORY = max(LENGTHS) - 1  # symbols before the newest that have to be remembered
_BITS = 6  # of a symbol's number, below 64
_SEED = 2  # of the hash; every version's buckets are other ones by another


def list_shares() -> npt.NDArray[np.int32]:
    """(places x symbols, lengths): what a symbol adds to the hash of each length.

    Places count from the newest symbol backwards. Runs that fit into their buckets one
    by one are numbered rather than hashed.
    """
    random = np.random.RandomState(_SEED)
    shares = np.zeros((MEMORY + 1, len(SYMBOLS), len(LENGTHS)), np.int32)
    for column, (length, buckets) in enumerate(zip(LENGTHS, BUCKETS, strict=True)):
        for place in range(length):
            if 2 ** (length * _BITS) <= buckets:
                shares[place, :, column] = np.arange(len(SYMBOLS)) << (_BITS * place)
            else:
                shares[place, :, column] = random.randint(0, buckets, len(SYMBOLS))
    return shares.reshape(-1, len(LENGTHS))


_SHARES = list_shares()
_STARTS = np.cumsum((0, *BUCKETS[:-1])).astype(np.int32)  # in the joint table


def begin(symbols: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """(steps, rows) symbols of streams, with the nothing before them: for all steps."""
    return np.pad(symbols, ((MEMORY, 0), (0, 0)))


def find_buckets(symbols: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Find the rows of the table at every step of streams.

    Args:
        symbols: (MEMORY + steps, rows), those before the first step included.

    Returns:
        (steps, rows, lengths) int32, rows of the joint table of all lengths.
    """
    steps = len(symbols) - MEMORY
    newest = symbols[MEMORY:]
    goes_on = newest != 0
    sums = _SHARES[newest]
    for place in range(1, MEMORY + 1):
        older = symbols[MEMORY - place :][:steps] * goes_on
        goes_on &= older != 0
        sums = sums + _SHARES[older + place * len(SYMBOLS)]
    found: npt.NDArray[np.int32] = sums % np.array(BUCKETS, np.int32) + _STARTS
    return found


def find_buckets_in_graph(symbol: Any, recent: Any) -> tuple[Any, Any]:
    """The same for one step, as a graph.

    Args:
        symbol: int32 (rows,), the newest, from 0 to 61.
        recent: int32 (rows, MEMORY), those before it, the newest first; zeros from
            where a text begins.

    Returns:
        int32 (rows, lengths), and `recent` for the next step.
    """
    recent = tf.where((symbol != 0)[:, None], recent, 0)
    known = tf.concat([symbol[:, None], recent], 1)
    places = known + np.arange(MEMORY + 1, dtype=np.int32) * len(SYMBOLS)
    shares = tf.constant(_SHARES.astype(np.float32))
    sums = tf.reduce_sum(tf.gather(shares, places), axis=1)
    sizes = np.array(BUCKETS, np.float32)
    sums -= tf.floor(sums * (1 / sizes)) * sizes
    return tf.cast(sums, tf.int32) + _STARTS, known[:, :MEMORY]
