"""What validates is never trained on."""

import numpy as np

from training.core.split import Rows, split_evenly

WHOLE = Rows(np.arange(600).reshape(300, 2), np.repeat([0, 1, 2], 100))


def test_validation_is_even_over_the_classes_and_apart_from_training() -> None:
    training, validation = split_evenly(WHOLE, 60, seed=5)

    assert np.bincount(validation.labels).tolist() == [20, 20, 20]
    both = np.concatenate([training.inputs, validation.inputs])
    np.testing.assert_array_equal(np.sort(both, axis=0), WHOLE.inputs)


def test_inputs_keep_their_labels() -> None:
    for part in split_evenly(WHOLE, 60, seed=5):
        np.testing.assert_array_equal(part.inputs[:, 0] // 200, part.labels)


def test_a_seed_gives_one_split_and_another_seed_another() -> None:
    once, again, other = (split_evenly(WHOLE, 60, seed)[1].inputs for seed in (5, 5, 6))

    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
