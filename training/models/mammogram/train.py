"""Train the mammogram predictor: four findings → small MLPs → artifacts/mammogram/<n>.

    all 961 ──▶ 10 × 10 folds ─▶ nine learn ─▶ inner folds ─▶ scaling, threshold
                    │                │                              │
                    └─ one held out ─▶ logit ──────────────▶ probability, label
                                                                    │
            accuracy, AUC, calibration, sensitivity, specificity ◀──┘

The model that is served is then made of all rows in the same way.
"""

import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.manifest import TensorSpec
from training.core import provenance
from training.core.baselines import (
    Maker,
    make_forest,
    make_logistic_regression,
    validate_baseline,
)
from training.core.crossval import (
    Plan,
    Validated,
    gather_held_out,
    predict_inner,
    validate,
)
from training.core.export import DEFAULT_SIGNATURE, Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.tabular import (
    Ensemble,
    Logits,
    Masks,
    Penalty,
    Table,
    fit_mlps,
    log_odds,
)
from training.datasets import masses as data_set
from training.datasets.masses import DENSITIES, MARGINS, SHAPES, Masses
from training.metrics import calibration
from training.metrics.calibration import Scaling
from training.models.mammogram import card

log = logging.getLogger(__name__)

YOUNGEST, OLDEST = 18, 96  # in the data; beyond, a patient is taken to be as old
AGE_BENDS = (35.0, 45.0, 55.0, 65.0, 75.0)  # years around which the effect may turn
PENALISED = Ensemble(
    tuple(Penalty(decay) for decay in (0.001, 0.003, 0.01)) * 2,
    activation="tanh",
    blanking=0.2,
)
TEN_TIMES_TEN = Plan()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights and the figures become.

    Attributes:
        ensemble: six networks, from lax to strict.
        plan: of the cross-validation.
        goal: sensitivity that the operating point is to have.
    """

    ensemble: Ensemble = PENALISED
    plan: Plan = TEN_TIMES_TEN
    goal: float = 0.95


@dataclass(frozen=True, slots=True)
class Decided:
    """What is decided on inner folds, from which the model did not learn.

    Attributes:
        scaling: from logits to probabilities.
        threshold: the operating point, a probability.
    """

    scaling: Scaling
    threshold: float


def train(options: RunOptions) -> None:
    """Benign or malignant by four findings: an ensemble of MLPs.

    About six minutes on two cores, most of it cross-validation.
    """
    recipe = _shorten(Recipe(), options)
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
    log.info("%s", {name: metrics["all_rows"][name] for name in ("servery",)})
    log.info("Wrote %s", folder)


def make_table(data: Masses) -> Table:
    """Make features of the findings by the graph that is served."""
    features = encode(**as_inputs(data)).numpy()
    sizes = (2 + len(AGE_BENDS), len(SHAPES), len(MARGINS), len(DENSITIES))
    return Table(features, data.labels, np.repeat(np.arange(len(sizes)), sizes))


def as_inputs(data: Masses) -> dict[str, Any]:
    """The inputs of the signature, each a tensor of (rows,)."""
    columns = (data.ages, data.shapes, data.margins, data.densities)
    names = ("age", "shape", "margin", "density")
    return dict(zip(names, map(tf.constant, columns), strict=True))


def encode(age: Any, shape: Any, margin: Any, density: Any) -> Any:
    """Turn findings into float32 (rows, 20), all 0 where a finding is unknown.

    Args:
        age: (rows,) int32, years; 0 or less = unknown.
        shape: (rows,) string, one of `SHAPES`; anything else = unknown.
        margin: (rows,) string, one of `MARGINS`; likewise.
        density: (rows,) string, one of `DENSITIES`; likewise.
    """
    is_known = tf.cast(age > 0, tf.float32)[:, None]
    years = tf.clip_by_value(tf.cast(age, tf.float32)[:, None], YOUNGEST, OLDEST)
    curve = tf.concat(
        [tf.ones_like(years), (years - 55) / 15, tf.tanh((years - AGE_BENDS) / 10)],
        axis=1,
    )
    words = ((shape, SHAPES), (margin, MARGINS), (density, DENSITIES))
    one_hot = [
        tf.cast(tf.equal(said[:, None], tf.constant(known)), tf.float32)
        for said, known in words
    ]
    return tf.concat([is_known * curve, *one_hot], axis=1)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the cross-validation over all rows gave; all by models that never saw them.

    Attributes:
        table: all rows.
        validated: the folds and the raw logits.
        scaled: (repeats, rows) calibrated log-odds.
        is_called: (repeats, rows) bool, called malignant at the fold's own threshold.
        baselines: method → (repeats, rows) probability.
    """

    table: Table
    validated: Validated
    scaled: Logits
    is_called: npt.NDArray[np.bool_]
    baselines: dict[str, Logits]


def measure(recipe: Recipe, table: Table, seed: int) -> HeldOut:
    """Cross-validate the whole procedure, and the baselines on the same folds."""
    validated = validate(recipe.ensemble, table, recipe.plan, seed)
    decided = decide(recipe, table, validated.learns, seed)
    every = np.ones(len(table))
    shape = (len(decided), len(table))
    slopes, intercepts, thresholds = (
        gather_held_out(
            np.broadcast_to(np.array(values)[:, None] * every, shape),
            validated.assignment,
        )
        for values in zip(
            *((d.scaling.slope, d.scaling.intercept, d.threshold) for d in decided),
            strict=True,
        )
    )
    scaled = slopes * validated.logits + intercepts
    return HeldOut(
        table,
        validated,
        scaled,
        calibration.sigmoid(scaled) >= thresholds,
        validate_baselines(table, validated, seed),
    )


def measure_textbook(recipe: Recipe, table: Table, seed: int) -> HeldOut:
    """Cross-validate on complete rows alone, as textbooks do; nothing is scaled."""
    validated = validate(recipe.ensemble, table, recipe.plan, seed)
    return HeldOut(
        table,
        validated,
        validated.logits,
        validated.logits > 0,
        validate_baselines(table, validated, seed),
    )


def validate_baselines(
    table: Table, validated: Validated, seed: int
) -> dict[str, Logits]:
    """Validate a linear model, and a forest whose leaves are not single rows."""
    makers: dict[str, Maker] = {
        "logistic_regression": make_logistic_regression,
        "random_forest": partial(make_forest, seed, least_in_leaf=10),
    }
    return {
        name: validate_baseline(make, table, validated.assignment)
        for name, make in makers.items()
    }


def decide(recipe: Recipe, table: Table, learns: Masks, seed: int) -> list[Decided]:
    """Decide scaling and threshold for each model on inner folds of what it learns.

    Args:
        recipe: the ensemble, the inner folds and the goal.
        table: all rows.
        learns: (models, rows) bool.
        seed: of the inner folds.
    """
    inner = predict_inner(recipe.ensemble, table, learns, recipe.plan.inner_folds, seed)
    decided = []
    for logits, mask in zip(inner, learns, strict=True):
        labels = table.labels[mask]
        scaling = calibration.fit_scaling(labels, logits[mask])
        probabilities = scaling.apply(logits[mask])
        threshold = calibration.choose_threshold(labels, probabilities, recipe.goal)
        decided.append(Decided(scaling, threshold))
    return decided


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


def _shorten(recipe: Recipe, options: RunOptions) -> Recipe:
    """Apply `--quick`, which repeats nothing, and `--epochs`: here, steps."""
    plan, steps = recipe.plan, options.epochs or recipe.ensemble.steps
    if options.quick:
        plan, steps = replace(plan, repeats=1), min(steps, 100)
    return replace(recipe, ensemble=replace(recipe.ensemble, steps=steps), plan=plan)
