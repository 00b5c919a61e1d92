"""The states of versions, as TensorFlow Serving says them."""

from typing import Any

from service.engine.catalog import ModelStatus, VersionState, VersionStatus

STATES = {  # of a servable, by ours
    VersionState.LOADING: "LOADING",
    VersionState.READY: "AVAILABLE",
    VersionState.DRAINING: "UNLOADING",
    VersionState.FAILED: "END",
}


def describe_model(model: ModelStatus) -> list[dict[str, Any]]:
    """`model_version_status` of a model, the newest first."""
    return [describe_status(each) for each in reversed(model.versions)]


def describe_status(status: VersionStatus) -> dict[str, Any]:
    """The state of a version as TensorFlow Serving says it."""
    failed = status.state is VersionState.FAILED
    return {
        "version": str(status.version),
        "state": STATES[status.state],
        "status": {
            "error_code": "UNKNOWN" if failed else "OK",
            "error_message": (status.reason or "") if failed else "",
        },
    }
