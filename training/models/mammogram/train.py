"""Train the mammogram predictor: four findings → small MLPs → artifacts/mammogram/<n>.

`validation.py` says how good the procedure is; the model that is served is then made of
all rows in the same way.
"""

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.crossval import shorten
from training.core.export import DEFAULT_SIGNATURE, Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.tabular import fit_mlps, log_odds
from training.datasets import masses as data_set
from training.datasets.masses import Masses
from training.metrics.calibration import Scaling
from training.models.mammogram import card
from training.models.mammogram.features import as_inputs, encode, make_table
from training.models.mammogram.validation import (
    Recipe,
    decide,
    measure,
    measure_textbook,
)

log = logging.getLogger(__name__)


def train(options: RunOptions) -> None:
    """Benign or malignant by four findings: an ensemble of MLPs.

    About six minutes on two cores, most of it cross-validation.
    """
    recipe = shorten(Recipe(), options)
    data = data_set.load(options.data_dir)
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    table = make_table(data)
    held_out = measure(recipe, table, options.seed)
    textbook = measure_textbook(recipe, table.pick(data.is_complete), options.seed)
    everything = np.ones((1, len(table)), np.bool_)
    (decided,) = decide(recipe, table, everything, options.seed)
    model = fit_mlps(recipe.ensemble, table, everything, options.seed)
    rows = {"train": len(table), "cross_validation": len(table)}
    ran = run.finish(
        (data_set.describe(data, rows),),
        recipe.ensemble.steps,
        asdict(recipe) | {"decided": asdict(decided)},
    )

    function = build_function(model, log_odds(data.labels), decided.scaling, data)
    metrics = card.summarise(held_out, textbook, data.is_complete)
    metrics["parameters"] = model.count_params()
    constants = card.list_constants(decided, held_out, metrics)
    folder = export_version(
        card.describe(ran, metrics, constants),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        reports=card.draw_reports(held_out, constants, function),
    )
    log.info("Wrote %s: %s", folder, metrics["all_rows"]["servery"])


def build_function(
    model: Any, prior: float, scaling: Scaling, data: Masses
) -> Function:
    """Wrap the ensemble as it is served: findings → probability of malignancy.

    Args:
        model: of `build_mlps`, one ensemble.
        prior: log-odds of malignant among all masses, for one of which nothing is
            known.
        scaling: from logits to probabilities.
        data: for the comparison after export.
    """

    def predict(age: Any, shape: Any, margin: Any, density: Any) -> dict[str, Any]:
        features = encode(age, shape, margin, density)
        members = model(features[None], training=False)[..., 0]
        logits = tf.reduce_mean(members, axis=0)
        is_blank = tf.reduce_all(tf.equal(features, 0), axis=1)
        scaled = scaling.slope * logits + scaling.intercept
        return {"probability": tf.sigmoid(tf.where(is_blank, prior, scaled))}

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
