"""What the commands of a load test have in common: options, and how to read them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from loadtest.load import Load
from loadtest.mix import Mix, MixError, check_ready, default_mix, parse_mix
from loadtest.objective import Objective, ObjectiveError, parse_objective
from loadtest.target import Target, TargetError, is_local
from loadtest.workloads import ImageForm

DEFAULT_URL = "http://127.0.0.1:8000"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def read_duration(text: str) -> float:
    """Seconds, from 500ms, 10s, 2m or 1h; a number alone is seconds.

    Raises:
        click.BadParameter: It is none of these.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"expected 500ms, 10s, 2m or 1h, received {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


def read_objective(text: str) -> Objective:
    """Conditions such as p99<50ms,errors<0.1%.

    Raises:
        click.BadParameter: They cannot be read.
    """
    try:
        return parse_objective(text)
    except ObjectiveError as error:
        raise click.BadParameter(str(error)) from error


_COMMON = (
    click.option("--url", default=DEFAULT_URL, show_default=True, help="The service."),
    click.option(
        "--allow-remote",
        is_flag=True,
        help="Load another machine. Only one that is yours to load!",
    ),
    click.option(
        "--mix",
        metavar="NAME=SHARE,…",
        help="Which endpoints, in which proportions: digits=60,sentiment=20.  "
        "[default: all whose models are ready; see the command workloads]",
    ),
    click.option(
        "--images",
        type=click.Choice([each.value for each in ImageForm]),
        default=ImageForm.RAW.value,
        show_default=True,
        help="How pictures are sent.",
    ),
    click.option(
        "--warmup",
        type=read_duration,
        metavar="TIME",
        default="2s",
        show_default=True,
        help="Time at the start, beside the duration, that is in no figure.",
    ),
    click.option(
        "--timeout",
        type=read_duration,
        metavar="TIME",
        default="10s",
        show_default=True,
        help="When a request is given up.",
    ),
    click.option(
        "--deadline",
        type=read_duration,
        metavar="TIME",
        help="When an answer is worth nothing: it is no goodput then. The service is "
        "told, by X-Request-Timeout-Ms.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(0, 64),
        default=0,
        help="Client processes; 0 = one, or more where the rate asks for it.",
    ),
    click.option("--seed", default=0, help="Of times and order.", show_default=True),
    click.option(
        "--json",
        "json_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write every figure here.",
    ),
)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all tests have."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


def read_load(given: Mapping[str, Any]) -> Load:
    """What the common options ask for, as a closed loop of no length.

    Raises:
        click.UsageError: It is another machine and nobody allowed that; or the mix is
            wrong.
        click.ClickException: The service does not answer.
    """
    url = given["url"].rstrip("/")
    if not is_local(url) and not given["allow_remote"]:
        raise click.UsageError(
            f"{url} is another machine: expected 127.0.0.1, ::1 or localhost. A load "
            "test can bring a service down; if it is yours to load: --allow-remote"
        )
    mix, ready = _choose_mix(Target(url), given["mix"])
    return Load(
        url=url,
        mix=mix,
        models=ready,
        duration_s=given["warmup"],
        warmup_s=given["warmup"],
        timeout_s=given["timeout"],
        deadline_s=given["deadline"],
        images=ImageForm(given["images"]),
        seed=given["seed"],
    )


def _choose_mix(target: Target, text: str | None) -> tuple[Mix, tuple[str, ...]]:
    try:
        mix = parse_mix(text) if text else None
        ready = target.ready_models()
        if mix is None:
            return default_mix(ready), ready
        check_ready(mix, ready)
    except MixError as error:
        raise click.UsageError(str(error)) from error
    except TargetError as error:
        raise click.ClickException(str(error)) from error
    return mix, ready
