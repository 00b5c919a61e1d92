"""The protocol's messages: made of our file, and the same as everybody's."""

import subprocess
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

from service.rpc.generated import open_inference_pb2 as protocol
from tests.rpc.clients import run_client

RPC = Path(__file__).parents[2] / "service" / "rpc"


def test_what_is_generated_is_what_the_file_says(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{RPC / 'protos'}"),
            *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"),
            "open_inference.proto",
        ],
        check=True,
    )
    for made in tmp_path.iterdir():
        kept = RPC / "generated" / made.name
        assert kept.read_text() == made.read_text(), "run: make protos"


def test_every_message_is_the_one_that_tritonclient_knows() -> None:
    ours = descriptor_pb2.FileDescriptorProto()
    protocol.DESCRIPTOR.CopyToProto(ours)
    run_client("same_messages", input=ours.SerializeToString())
