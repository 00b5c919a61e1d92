"""Train the mammogram predictor: four findings → a sum → artifacts/mammogram/<n>.

    log-odds of malignant = those of all masses + what each known finding adds

`validation.py` says how good the procedure is, with small networks beside it that are
no better; the model that is served is then made of all rows in the same way.
"""

import logging
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.crossval import shorten
from training.core.export import DEFAULT_SIGNATURE, Function, export_version
from training.core.fitting import make_repeatable
from training.core.linear import AdditiveLogisticRegression
from training.core.options import RunOptions
from training.datasets import masses as data_set
from training.datasets.masses import Masses
from training.models.mammogram import card
from training.models.mammogram.features import as_inputs, encode, make_table
from training.models.mammogram.validation import Recipe, choose_point, measure

log = logging.getLogger(__name__)


def train(options: RunOptions) -> None:
    """Benign or malignant by four findings: a logistic regression.

    About three minutes on two cores: the networks that it is compared with.
    """
    recipe = shorten(Recipe(), options)
    data = data_set.load(options.data_dir)
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    table = make_table(data)
    model = AdditiveLogisticRegression().fit(table.features, table.labels)
    threshold = choose_point(recipe, table, options.seed)
    held_out = measure(recipe, table, options.seed)
    rows = {"train": len(table), "cross_validation": len(table)}
    ran = run.finish(
        (data_set.describe(data, rows),), recipe.ensemble.steps, asdict(recipe)
    )

    function = build_function(model, data)
    metrics = card.summarise(held_out, data)
    metrics["parameters"] = model.weights_.size + 1
    constants = card.list_constants(threshold, held_out, metrics)
    folder = export_version(
        card.describe(ran, metrics, constants),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=card.draw_reports(held_out, constants, function),
    )
    log.info("Wrote %s: %s", folder, metrics["all_rows"]["methods"]["servery"])


def build_function(model: AdditiveLogisticRegression, data: Masses) -> Function:
    """Wrap the model as it is served: findings → probability of malignancy.

    Args:
        model: learnt from the features of `make_table`.
        data: for the comparison after export.
    """
    weights = tf.constant(model.weights_, tf.float32)

    def predict(age: Any, shape: Any, margin: Any, density: Any) -> dict[str, Any]:
        effects = tf.linalg.matvec(encode(age, shape, margin, density), weights)
        return {"probability": tf.sigmoid(model.prior_ + effects)}

    words = ("shape", "margin", "density")
    sample = {name: each.numpy()[:64] for name, each in as_inputs(data).items()}
    return Function(
        predict,
        inputs=(
            TensorSpec(name="age", dtype="int32", shape=(None,)),
            *(TensorSpec(name=word, dtype="string", shape=(None,)) for word in words),
        ),
        sample=sample,
    )
