"""A server that answers each call as the next line of its script says."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from drydock.v1.task_event_pb2 import TaskEvent
from drydock.v1.task_pb2 import Task
from drydock.v1.task_service_pb2_grpc import TaskServiceServicer, TaskServiceStub, add_TaskServiceServicer_to_server
from drydock_client import connect


@dataclass
class Refusal:
    """An error of the server."""

    code: grpc.StatusCode
    reason: str = ""
    """Empty: an error that is not Drydock's own."""
    retry_delay_ms: int = 0

    def abort(self, context: grpc.ServicerContext) -> None:
        """Ends a call with it."""
        if not self.reason:
            context.abort(self.code, "something in between")
        details = [ErrorInfo(reason=self.reason, domain="drydock.dev")]
        if self.retry_delay_ms:
            details.append(RetryInfo(retry_delay=Duration(nanos=self.retry_delay_ms * 1_000_000)))
        status = status_pb2.Status(code=self.code.value[0], message="no")
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))


@dataclass
class Script(TaskServiceServicer):
    """What the server does, call by call, and what it was asked."""

    answers: list[Any] = field(default_factory=list)
    """For a stream its messages, for CreateTask a task; a `Refusal` ends either."""
    requests: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set once a stream has ended, from whichever side."""

    def WatchTask(self, request: Any, context: grpc.ServicerContext) -> Iterator[TaskEvent]:  # noqa: N802
        self.requests.append(request)
        context.add_callback(self.ended.set)
        for each in self.answers.pop(0):
            if isinstance(each, Refusal):
                each.abort(context)
            yield each

    def CreateTask(self, request: Any, context: grpc.ServicerContext) -> Task:  # noqa: N802
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Refusal):
            answer.abort(context)
        return answer


class Served:
    """A script being served, and a stub to call it with."""

    def __init__(self, answers: Iterable[Any]) -> None:
        self.script = Script(list(answers))
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        add_TaskServiceServicer_to_server(self.script, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._channel = connect(f"127.0.0.1:{port}")
        self.tasks = TaskServiceStub(self._channel)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._channel.close()
        self._server.stop(grace=None).wait()

    @property
    def tokens(self) -> list[str]:
        """The position that each stream was asked to begin at."""
        return [request.resume_token for request in self.script.requests]
