"""What decides what the writer becomes, besides the seed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: of `epoch_batches` batches each.
        epoch_batches: thirty-one epochs are a pass over the training reviews.
        cooling_epochs: the last ones, over which the learning rate falls to nothing.
        train_rows: how many training reviews to use at most.
        validation_share: every so manieth block of neighbours validates.
        block: reviews in a block.
        validation_batches: that an epoch is judged by, at most.
        units: of the LSTM.
        width: of a context; see `training.models.writer.contexts`.
        rows: streams of reviews in a batch.
        steps: symbols of each stream in a batch; gradients go back so far.
        learning_rate: the highest; see `training.models.writer.fitting`.
        context_rate: likewise, of the contexts' rows.
        weight_decay: share lost in a step, times the learning rate.
        largest_gradient: norm to which longer gradients are cut.
        pushes: away from the other mood, tried in turn until the sentiment model
            agrees often enough; see `training.models.writer.graph.WriterGraph`.
        tried_texts: to try a push with.
        measured_texts: of which the agreement is reported.
        measured_reviews: held out, of which the bits are reported.
    """

    epochs: int = 52
    epoch_batches: int = 250
    cooling_epochs: int = 40
    train_rows: int = 25_000
    validation_share: int = 40
    block: int = 125
    validation_batches: int = 24
    units: int = 384
    width: int = 64
    rows: int = 64
    steps: int = 64
    learning_rate: float = 8e-3
    context_rate: float = 0.1
    weight_decay: float = 0.01
    largest_gradient: float = 1.0
    pushes: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    tried_texts: int = 400
    measured_texts: int = 1_000
    measured_reviews: int = 500


QUICK = Recipe(
    epochs=4,
    epoch_batches=30,
    cooling_epochs=2,
    train_rows=2_500,
    units=128,
    width=16,
    pushes=(0.0, 2.0),
    tried_texts=40,
    measured_texts=100,
    measured_reviews=40,
)
