"""Word vectors from the training reviews alone, to begin the embedding with.

Words in similar company get similar vectors, so that what the network learns of a
frequent word helps it with a rare one. Levy and Goldberg, "Neural word embedding as
implicit matrix factorization", 2014: the singular vectors of positive pointwise mutual
information, here against the most frequent words only, which keeps the matrix small.
"""

import numpy as np
import numpy.typing as npt

from training.models.sentiment.text import FIRST_WORD

Floats = npt.NDArray[np.float32]


def learn_word_vectors(
    ids: npt.NDArray[np.int32],
    words: int,
    width: int,
    *,
    contexts: int = 3000,
    window: int = 5,
    seed: int = 1,
) -> Floats:
    """Learn a vector for each word from which words stand near it.

    Args:
        ids: (tokens,) all reviews in one row, more frequent words with lower ids.
        words: ids are below it.
        width: of a vector.
        contexts: so many of the most frequent words are counted as company.
        window: how near, in words; nearer ones count more.
        seed: of the random projection.

    Returns:
        (words, width) float32 of standard deviation 0.1; zeros for rare words.
    """
    counts = _count_company(ids, words, contexts, window)
    return _reduce(_positive_information(counts), width, seed)


def place_signs(
    vectors: Floats,
    signs: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    words: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
) -> Floats:
    """Give emoji, which no review has, the mean vector of words that say as much.

    Args:
        vectors: (words, width).
        signs: ids of bad and of good emoji; each unseen one gets a vector.
        words: ids of bad and of good words.
    """
    changed = vectors.copy()
    for some, like in zip(signs, words, strict=True):
        unseen = some[np.abs(vectors[some]).max(axis=1, initial=0) == 0]
        changed[unseen] = vectors[like].mean(axis=0)
    return changed


def _count_company(
    ids: npt.NDArray[np.int32], words: int, contexts: int, window: int
) -> Floats:
    """(words, contexts) float32: how often each context word stands near each word."""
    counts = np.zeros(words * contexts, np.float32)
    for distance in range(1, window + 1):
        before, after = ids[:-distance], ids[distance:]
        for word, near in ((before, after), (after, before)):
            context = near - FIRST_WORD
            counted = (context >= 0) & (context < contexts)
            cells = word[counted].astype(np.int64) * contexts + context[counted]
            counts += np.bincount(cells, minlength=len(counts)).astype(
                np.float32
            ) * np.float32(1 / distance)
    return counts.reshape(words, contexts)


def _positive_information(counts: Floats) -> Floats:
    """Positive pointwise mutual information, contexts smoothed by a power of 0.75."""
    of_word = counts.sum(axis=1, keepdims=True)
    of_context = counts.sum(axis=0, keepdims=True) ** 0.75
    expected = of_word * (of_context / of_context.sum())
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=counts > 0)
    information: Floats = np.log(np.maximum(ratio, 1))
    return information


def _reduce(matrix: Floats, width: int, seed: int) -> Floats:
    """The leading singular vectors (Halko, Martinsson and Tropp 2011), scaled."""
    random = np.random.default_rng(seed)
    basis = random.standard_normal((matrix.shape[1], width + 16)).astype(np.float32)
    for _ in range(3):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    left, strengths, _ = np.linalg.svd(matrix @ basis, full_matrices=False)
    vectors = left[:, :width] * np.sqrt(strengths[:width])
    scaled: Floats = (vectors / vectors.std() * 0.1).astype(np.float32)
    return scaled
