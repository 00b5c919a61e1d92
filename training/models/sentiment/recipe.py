"""What decides what the weights of the sentiment model become."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: passes of the LSTMs over the training reviews and a piece of each.
        train_rows: how many training reviews to use at most.
        validation_share: every so manieth block of neighbours validates.
        block: reviews in a block.
        vocabulary: words with an id.
        width: of a word vector.
        filters: of each convolution.
        units: of each LSTM in each direction.
        dropout: see `lstm.build_body`.
        word_dropout: share of words made unknown in training.
        batch_size: rows in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        averaged: likewise.
        piece_sentences: the most sentences in a piece of a review.
        short_weight: of a piece, where a review counts 1.
        made_weight: of a sentence turned round or made up, and of a word alone.
        shown: share of the training reviews that an epoch shows.
        earlier: whether the LSTM begins as version 1's; see `earlier`.
        windows: tokens of a review that an epoch shows, one of these at random.
        variants: sentences of reviews in an epoch, as they are and turned round.
        made_up: sentences in an epoch that nobody wrote.
        polar_words: words in an epoch that stand alone, labelled by their reviews.
        ngram_strength: inverse of the L2 penalty of the n-gram branch.
        ngram_steps: of its L-BFGS.
        head: tokens of a review's beginning that the LSTMs read.
        tail: of its end.
    """

    epochs: int = 8
    train_rows: int = 25_000
    validation_share: int = 10
    block: int = 125
    vocabulary: int = 30_000
    width: int = 96
    filters: int = 128
    units: int = 96
    dropout: float = 0.5
    word_dropout: float = 0.15
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    averaged: float = 0.998
    piece_sentences: int = 3
    short_weight: float = 0.3
    made_weight: float = 1.0
    shown: float = 0.5
    earlier: bool = True
    windows: tuple[int, ...] = (192,)
    variants: int = 8_000
    made_up: int = 16_000
    polar_words: int = 1_000
    ngram_strength: float = 30.0
    ngram_steps: int = 50
    head: int = 96
    tail: int = 288


QUICK = Recipe(
    earlier=False,
    epochs=1,
    train_rows=2_500,
    vocabulary=10_000,
    width=32,
    filters=32,
    units=16,
    variants=1_200,
    made_up=800,
    polar_words=100,
)
