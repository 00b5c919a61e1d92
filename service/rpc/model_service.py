"""TensorFlow Serving's `tensorflow.serving.ModelService`: which versions there are.

To load and to unload is for administration, so HandleReloadConfigRequest is not there.
"""

from typing import Any

from service.contract.tensorflow_protos import load_module
from service.engine.catalog import VersionState
from service.errors import VersionNotFound
from service.rpc.call import RpcCall
from service.rpc.methods import Method
from service.rpc.prediction import check_named, wanted_version

_APIS = "tensorflow_serving.apis"
SERVICE = load_module(f"{_APIS}.model_service_pb2").DESCRIPTOR.services_by_name[
    "ModelService"
]
_status = load_module(f"{_APIS}.get_model_status_pb2")

STATES = {
    VersionState.LOADING: "LOADING",
    VersionState.READY: "AVAILABLE",
    VersionState.DRAINING: "UNLOADING",
    VersionState.FAILED: "END",
}
UNKNOWN = 2  # tensorflow.error.Code, of a version that failed


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


METHODS = {"GetModelStatus": Method(get_model_status)}
