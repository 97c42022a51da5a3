"""Messages of the Container Runtime Interface, and a server of its services.

They are built from the kubelet's own descriptors, so that both always agree and no code is
generated.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from sandbox.errors import SandboxError

_PACKAGE = "runtime.v1"
Message = Any
"""A message of the interface; its class is created at run time."""


class MissingError(Exception):
    """A Pod, container or image that the kubelet requests does not exist."""


class Messages:
    """Classes of all messages, as attributes: ``messages.ContainerStatus``."""

    def __init__(self, description: bytes) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(description).file:
            self._pool.Add(file)

    @classmethod
    def of(cls, program: Path) -> Messages:
        """Read the descriptors from ``cri-descriptors``, a program of the kubernetes tool."""
        answer = subprocess.run([program], capture_output=True, check=True, timeout=60)
        return cls(answer.stdout)

    def __getattr__(self, name: str) -> Any:
        found = self._pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        made = message_factory.GetMessageClass(found)
        setattr(self, name, made)
        return made

    def number(self, enum: str, name: str) -> int:
        """Return the number of an enumeration's value."""
        values = self._pool.FindEnumTypeByName(f"{_PACKAGE}.{enum}").values_by_name
        return int(values[name].number)

    def name(self, enum: str, number: int) -> str:
        """Return the name of an enumeration's value."""
        values = self._pool.FindEnumTypeByName(f"{_PACKAGE}.{enum}").values_by_number
        return str(values[number].name)

    def handler(self, service: str, implementation: object) -> grpc.GenericRpcHandler:
        """Return the handler of a service: ``list_containers`` serves ``ListContainers``.

        A missing method returns UNIMPLEMENTED, which the kubelet handles.
        """
        described = self._pool.FindServiceByName(f"{_PACKAGE}.{service}")
        handlers = {}
        for method in described.methods:
            name = re.sub(r"(?<!^)([A-Z])", r"_\1", method.name).lower()
            served = getattr(implementation, name, None)
            if served is not None:
                handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                    _answering(served),
                    request_deserializer=message_factory.GetMessageClass(
                        method.input_type
                    ).FromString,
                    response_serializer=message_factory.GetMessageClass(
                        method.output_type
                    ).SerializeToString,
                )
        return grpc.method_handlers_generic_handler(described.full_name, handlers)


def _answering(
    method: Callable[[Message], Awaitable[Message]],
) -> Callable[[Message, Any], Awaitable[Message]]:
    async def answer(request: Message, context: Any) -> Message:
        try:
            return await method(request)
        except MissingError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except TimeoutError as error:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        except SandboxError as error:
            text = f"{error.what}: {error.why}; {error.remedy}"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, text)

    return answer
