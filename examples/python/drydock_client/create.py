"""Creating a task once."""

from __future__ import annotations

import grpc

from drydock.v1.task_pb2 import Task
from drydock.v1.task_service_pb2 import CreateTaskRequest
from drydock.v1.task_service_pb2_grpc import TaskServiceStub

from .backoff import Backoff
from .failure import Failure

# Longer than a healthy server ever takes; what takes longer is asked again.
_ANSWER_TIMEOUT = 10.0


def create_task(tasks: TaskServiceStub, request: CreateTaskRequest, *, give_up_after: float = 60.0) -> Task:
    """Creates the task that `request` asks for, once, however often it has to ask.

    An attempt that fails may have created the task all the same, so every attempt has the same `request_id`, and
    the server answers with the one task that belongs to it. A program that keeps the id can ask again tomorrow.

    Raises:
        ValueError: `request` has no `request_id`.
        grpc.RpcError: the server refuses, or for `give_up_after` seconds did not answer. In the second case the
            task may exist.
    """
    if not request.request_id:
        raise ValueError("a request_id is needed to repeat the request: make one up and keep it")
    backoff = Backoff(give_up_after)
    while True:
        try:
            return tasks.CreateTask(request, timeout=_ANSWER_TIMEOUT)
        except grpc.RpcError as error:
            failure = Failure.of(error)
            if not (failure.passes or failure.reason == "QUEUE_FULL"):
                raise
            if not backoff.wait(failure.retry_delay):
                raise
