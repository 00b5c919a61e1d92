"""TensorFlow Serving's `tensorflow.serving.ModelService`: which versions there are.

HandleReloadConfigRequest says which versions are in memory, and with which labels. It
is administration: closed unless a token is set, which comes as the metadata
`authorization: Bearer …`.
"""

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from service.contract.policy import Latest, Versions
from service.contract.tensorflow_protos import load_module
from service.engine.catalog import VersionState
from service.engine.commands import Command, ModelConfig
from service.errors import InvalidInput, VersionNotFound
from service.rpc.call import RpcCall
from service.rpc.methods import Method
from service.rpc.prediction import check_named, wanted_version

_APIS = "tensorflow_serving.apis"
SERVICE = load_module(f"{_APIS}.model_service_pb2").DESCRIPTOR.services_by_name[
    "ModelService"
]
_status = load_module(f"{_APIS}.get_model_status_pb2")
_management = load_module(f"{_APIS}.model_management_pb2")

STATES = {
    VersionState.LOADING: "LOADING",
    VersionState.READY: "AVAILABLE",
    VersionState.DRAINING: "UNLOADING",
    VersionState.FAILED: "END",
}
UNKNOWN = 2  # tensorflow.error.Code, of a version that failed
MOST_LISTED = 1024  # models, and versions and labels of each


async def get_model_status(request: Any, call: RpcCall) -> Any:
    """The state of each version, newest first, or of the one that is named."""
    spec = request.model_spec
    name, wanted = check_named(spec), wanted_version(spec)
    catalog = call.state.engine.catalog
    model = catalog.model(name)
    call.record.model = name
    if spec.WhichOneof("version_choice") == "version_label":
        wanted = catalog.find(name, None, spec.version_label).version
    response = _status.GetModelStatusResponse()
    for each in reversed(model.versions):
        if wanted in (None, each.version):
            status = response.model_version_status.add(
                version=each.version, state=STATES.get(each.state, "UNKNOWN")
            )
            failed = each.state is VersionState.FAILED
            status.status.error_code = UNKNOWN if failed else 0
            status.status.error_message = each.reason or ""
    if not response.model_version_status:
        known = ", ".join(str(each.version) for each in model.versions)
        raise VersionNotFound(
            f"{name} has no version {wanted} in memory; there are: {known}."
        )
    return response


async def reload_config(request: Any, call: RpcCall) -> Any:
    """Say of each model in the list which versions and labels it is to have.

    Holds for all of them, or for none. Models that are not in the list stay as they
    are: what is served lies in the folder.

    Raises:
        InvalidInput: The configuration is no list of models, or has what cannot be.
        ModelNotReady: One of the versions cannot be loaded.
        Forbidden, Unauthenticated, ServeryError: See `carry_out`.
    """
    call.check_authorized()
    if request.config.WhichOneof("config") != "model_config_list":
        raise InvalidInput("config: expected a model_config_list, received another")
    listed = request.config.model_config_list.config
    _check_number("models", listed)
    configs = {check_named(each): _config(each) for each in listed}
    if len(configs) < len(listed):
        raise InvalidInput("config: expected each model once, received one twice")
    await call.administrate(Command(action="configure", configs=configs))
    return _management.ReloadConfigResponse()


def _config(given: Any) -> ModelConfig:
    """What a `ModelConfig` of TensorFlow Serving's means."""
    policy, labels = given.model_version_policy, given.version_labels
    _check_number("versions", policy.specific.versions)
    _check_number("labels", labels)
    try:
        return ModelConfig(versions=_versions(policy), labels=dict(labels))
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(each) for each in first["loc"] if each != "[key]")
        raise InvalidInput(
            f"{given.name[:64]}: {where}: {said}, received {str(first['input'])[:64]!r}"
        ) from error


def _versions(policy: Any) -> Versions:
    """The versions that a policy means; without one, the newest."""
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return "all"
    if choice == "specific":
        return tuple(policy.specific.versions)
    return Latest(latest=max(1, policy.latest.num_versions))


def _check_number(what: str, given: Collection[Any]) -> None:
    if len(given) > MOST_LISTED:
        raise InvalidInput(
            f"config: expected at most {MOST_LISTED:,} {what}, received {len(given):,}"
        )


METHODS = {
    "GetModelStatus": Method(get_model_status),
    "HandleReloadConfigRequest": Method(reload_config),
}
