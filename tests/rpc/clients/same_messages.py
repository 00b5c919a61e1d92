"""Holds a file descriptor on stdin against tritonclient's messages of these names."""

import sys
from typing import Any

from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2


def compare(ours: Any, theirs: Any) -> None:
    known = {field.name: field for field in theirs.field}
    for field in ours.field:
        their = known[field.name]
        for fact in ("number", "type", "label", "type_name"):
            assert getattr(field, fact) == getattr(their, fact), (ours.name, field.name)
    nested = {each.name: each for each in theirs.nested_type}
    for each in ours.nested_type:
        compare(each, nested[each.name])


ours = descriptor_pb2.FileDescriptorProto.FromString(sys.stdin.buffer.read())
messages: dict[str, Any] = {}
methods: dict[str, Any] = {}
for module in (service_pb2, model_config_pb2):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    messages |= {each.name: each for each in (*file.message_type, *file.enum_type)}
    methods |= {each.name: each for kind in file.service for each in kind.method}
for message in ours.message_type:
    compare(message, messages[message.name])
for enum in ours.enum_type:
    assert list(enum.value) == list(messages[enum.name].value), enum.name
for method in ours.service[0].method:
    their = methods[method.name]
    for fact in ("input_type", "output_type", "client_streaming", "server_streaming"):
        assert getattr(method, fact) == getattr(their, fact), method.name
