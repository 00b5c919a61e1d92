"""What is said of the photo model: what it is for, how often it is wrong."""

from typing import Any

from service.contract.manifest import Training
from service.models.photo.middle import RESAMPLING, SHORT_SIDE, SIDE
from training.core.export import Card
from training.datasets.imagenet import Classes

BATCH_SIZES = (1, 2, 3, 4)  # docs/models/photo.md says why no more
WARN_BELOW = 0.5  # a calibrated answer is as likely wrong as right


def describe(ran: Training, metrics: dict[str, Any], classes: Classes) -> Card:
    """Say what the model is, what it is for and what it is not for."""
    return Card(
        name="photo",
        task="image classification",
        description=(
            "What is in a photo, of ImageNet's 1,000 classes: ResNet50 (v1) with the "
            "weights that Keras distributes. Input: 224×224 RGB pixels, cut out of the "
            f"middle of the photo after its short side was brought to {SHORT_SIDE}. "
            "Output: probabilities; where the highest is below "
            f"{WARN_BELOW:.0%}, a warning."
        ),
        intended_use=(
            "Naming the main object of an ordinary photo, to sort, search or suggest; "
            "five answers are much more often right than one."
        ),
        limits=(
            "Knows 1,000 classes, 118 of them breeds of dogs and three of them people "
            "(ballplayer, groom, scuba diver), and gives one of them whatever is "
            "shown. Only the middle of the photo is seen. The photos it learned from "
            "are from the web before 2012, most of them from North America and Europe; "
            "drawings, screenshots and unusual views go wrong more often. "
            + describe_measures(metrics)
        ),
        labels=classes.labels,
        batch_sizes=BATCH_SIZES,
        constants={
            "short_side": SHORT_SIDE,
            "side": SIDE,
            "resampling": RESAMPLING.name.lower(),
            "wnids": classes.wnids,
            "warn_below": WARN_BELOW,
        },
        training=ran,
        metrics=metrics,
    )


def describe_measures(metrics: dict[str, Any]) -> str:
    """Say how often it is wrong, in plain words."""
    if "top1" not in metrics:
        return "How often it is right was not measured with these weights."
    photos, warning = metrics["photos"], metrics["warning"]
    top1, top5 = metrics["top1"], metrics["top5"]
    low, high = (round(100 * each) for each in top1["interval"])
    return (
        f"Of {photos['rows']} photographs of {photos['classes']} classes the first "
        f"answer was right for {top1['share']:.0%} (95 % interval: {low} to {high}), "
        f"one of five for {top5['share']:.0%}. It had learned from "
        f"{photos['learnt_from']} of them, so others go worse. With a warning "
        f"{warning['warned']['share']:.0%} were right, without one "
        f"{warning['others']['share']:.0%}."
    )
