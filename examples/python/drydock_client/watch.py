"""Watching a task to its end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from typing import NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration

from drydock.v1.task_event_pb2 import TaskEvent
from drydock.v1.task_pb2 import Task
from drydock.v1.task_service_pb2 import WatchTaskRequest
from drydock.v1.task_service_pb2_grpc import TaskServiceStub

from .backoff import Backoff
from .failure import Failure
from .silence import SilenceGuard

# How often the server proves that the stream lives, and after how many seconds without a word it does not: three
# heartbeats that did not come.
_HEARTBEAT = 15
_SILENCE = 45.0

# Refusals of the moment: there is no room for another stream, or this reader was too slow for its last one.
_COMES_BACK = frozenset({"WATCH_QUOTA", "WATCH_CONSUMER_STALLED"})

# The server no longer has what followed the position, or is not the server that gave it.
_POSITION_LOST = frozenset({"RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_STALE_EPOCH"})


class Interruption(NamedTuple):
    """A stream that broke. The next one has been asked for."""

    failure: Failure
    """Why it broke."""
    begins_anew: bool
    """Whether the next events are snapshots of the task and everything below it, once more, instead of what comes
    after the last event: what is known of the task has to be thrown away."""


def watch_until_done(
    tasks: TaskServiceStub,
    task_id: str,
    *,
    resume_token: str = "",
    give_up_after: float = 300.0,
    on_interruption: Callable[[Interruption], None] = lambda _: None,
) -> Generator[TaskEvent, None, Task]:
    """Yields every event of a task and of everything below it, and returns the finished task.

    It begins with a snapshot, or after the event that had `resume_token`. Each committed event comes exactly once
    and in order, whatever happens to the connection and the server; the last one is the `task_finished` of the
    task itself. A program that is to survive its own end as well keeps the `resume_token` of the last event that
    it dealt with and that has one.

    `on_interruption` is told of each break once, and of every new beginning. Closing the generator ends the stream.

    Raises:
        ValueError: `task_id` is no UUID.
        grpc.RpcError: the server refuses to show the task, or for `give_up_after` seconds no stream could be had.
    """
    # As the server spells it, to know its end by.
    task_id = str(uuid.UUID(task_id))
    backoff = Backoff(give_up_after)
    interrupted = False
    while True:
        request = WatchTaskRequest(
            task_id=task_id,
            resume_token=resume_token,
            heartbeat_interval=Duration(seconds=_HEARTBEAT),
        )
        try:
            with SilenceGuard(tasks.WatchTask(request), _SILENCE) as stream:
                for event in stream.messages():
                    backoff.reset()
                    interrupted = False
                    if event.resume_token:
                        resume_token = event.resume_token
                    yield event
                    if event.WhichOneof("event") == "task_finished" and event.task_id == task_id:
                        return event.task_finished
                # Nothing but the task's end ends a stream well: something between the server and us did.
                raise _EndedEarly
        except grpc.RpcError as error:
            failure = Failure.of(error)
            lost = failure.reason in _POSITION_LOST and resume_token != ""
            if lost:
                resume_token = ""
            elif not (failure.passes or failure.reason in _COMES_BACK):
                raise
            if lost or not interrupted:
                interrupted = True
                on_interruption(Interruption(failure, begins_anew=resume_token == ""))
            if not backoff.wait(failure.retry_delay):
                raise


class _EndedEarly(grpc.RpcError):
    """A stream that ended well before its task had."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the stream ended before the task"

    def trailing_metadata(self) -> tuple[()]:
        return ()
