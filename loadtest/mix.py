"""In which proportions the endpoints are asked: `digits=60,sentiment=20`."""

from collections.abc import Collection, Mapping

from loadtest.workloads import WORKLOADS, Workload

Mix = dict[str, float]
"""Workloads by name, with the share that each has; they add up to 1."""


class MixError(ValueError):
    """A mix that cannot be read, or not be sent to this service."""


def parse_mix(text: str) -> Mix:
    """Read `digits=60,sentiment=20`; a name alone weighs 1.

    Raises:
        MixError: Says which part is wrong.
    """
    weights: Mix = {}
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        if name not in WORKLOADS:
            raise MixError(
                f"mix: expected one of {', '.join(WORKLOADS)}, received {name!r}"
            )
        if name in weights:
            raise MixError(f"mix: {name} is named twice in {text!r}")
        weights[name] = _weight(name, number) if equals else 1.0
    return _shares(weights)


def default_mix(ready: Collection[str]) -> Mix:
    """Every workload of which a model is ready, as `servery loadtest workloads` lists.

    Raises:
        MixError: None is.
    """
    weights = {
        name: each.weight for name, each in WORKLOADS.items() if is_ready(each, ready)
    }
    if not weights:
        raise MixError("the service has no model ready that a workload asks")
    return _shares(weights)


def check_ready(mix: Mapping[str, float], ready: Collection[str]) -> None:
    """Refuse a mix that asks what is not there.

    Raises:
        MixError: Says which model is missing.
    """
    for name in mix:
        if not is_ready(WORKLOADS[name], ready):
            raise MixError(
                f"mix: {name} needs the model {' or '.join(WORKLOADS[name].models)}; "
                f"ready are {', '.join(sorted(ready)) or 'none'}"
            )


def is_ready(workload: Workload, ready: Collection[str]) -> bool:
    """Whether a model is ready that answers this workload."""
    return any(model in ready for model in workload.models)


def show_mix(mix: Mapping[str, float]) -> str:
    """As a person reads it: `digits 60 %, sentiment 20 %`."""
    return ", ".join(f"{name} {share:.3g} %" for name, share in _percent(mix).items())


def _percent(mix: Mapping[str, float]) -> Mix:
    return {name: 100 * share for name, share in mix.items()}


def _weight(name: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise MixError(f"mix: {name}: expected a number above 0, received {number!r}")
    return weight


def _shares(weights: Mix) -> Mix:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
