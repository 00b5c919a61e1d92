"""Where labels stand: a label moves only to a version that is ready. Pure."""

from collections.abc import Iterator, Mapping

from service.engine.catalog import VersionState, VersionStatus


def resolve(
    wanted: Mapping[str, int],
    before: Mapping[str, int],
    versions: Mapping[int, VersionStatus],
) -> dict[str, int]:
    """The version of each label.

    Args:
        wanted: Where each label is to be.
        before: Where it was.
        versions: What the engine knows, by number.

    Returns:
        Without the labels that have never had a version that was ready.
    """
    labels = {}
    for label, version in sorted(wanted.items()):
        status = versions.get(version)
        if status is not None and status.state is VersionState.READY:
            labels[label] = version
        elif before.get(label) in versions:
            labels[label] = before[label]
    return labels


def describe(
    wanted: Mapping[str, int],
    labels: Mapping[str, int],
    versions: Mapping[int, VersionStatus],
) -> Iterator[str]:
    """What is to be said of labels that are not where they are to be."""
    for label, version in sorted(wanted.items()):
        status = versions.get(version)
        if status is not None and status.state is VersionState.READY:
            continue
        stands = "not in memory"
        if status is not None:
            stands = f"{status.state}" + (
                f" ({status.reason})" if status.reason else ""
            )
        stays = f"it stays at {labels[label]}" if label in labels else "it names none"
        yield f"label {label} waits for version {version}, which is {stands}; {stays}"
