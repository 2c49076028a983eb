#!/usr/bin/env python3
"""Deploys nodes of a site and prints every transition until the deployment is over.

The server may be stopped, killed and started again meanwhile: nothing is printed twice and nothing is missed. So may
this program: started again with the same --request-id it finds the same deployment.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import uuid

import grpc

from drydock.v1.task_event_pb2 import TaskEvent
from drydock.v1.task_pb2 import (
    FILTER_TYPE_INTERSECTION,
    RESULT_STATUS_FAILURE,
    RESULT_STATUS_PARTIAL_SUCCESS,
    RESULT_STATUS_SUCCESS,
    TASK_ACTION_DEPLOY_NODE,
    TASK_STATUS_TERMINATED,
    NodeFilter,
    NodeFilterSet,
    ResultStatus,
    Task,
    TaskAction,
    TaskStatus,
)
from drydock.v1.task_service_pb2 import CreateTaskRequest
from drydock.v1.task_service_pb2_grpc import TaskServiceStub
from drydock_client import Failure, Interruption, connect, create_task, token, watch_until_done

SUCCESS, FAILURE, USAGE, PARTIAL_SUCCESS, TERMINATED, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = f"""exit codes:
  {SUCCESS}    every node was deployed
  {FAILURE}    no node was deployed
  {USAGE}    the command line makes no sense
  {PARTIAL_SUCCESS}    some nodes were deployed
  {TERMINATED}    the deployment was terminated before its end
  {UNKNOWN}    the server refused, or could not be asked: a deployment that was begun goes on
  {INTERRUPTED}  interrupted here: the deployment goes on
"""


def main() -> int:
    """Does what the command line says and returns the exit code."""
    arguments = parse()
    request = CreateTaskRequest(
        action=TASK_ACTION_DEPLOY_NODE,
        design_ref=arguments.design_ref,
        request_id=str(arguments.request_id),
    )
    if arguments.node:
        nodes = NodeFilter(filter_type=FILTER_TYPE_INTERSECTION, node_names=arguments.node)
        request.node_filter.CopyFrom(NodeFilterSet(filter_set_type=FILTER_TYPE_INTERSECTION, filter_set=[nodes]))
    note(f"request {request.request_id}")
    try:
        ca = arguments.ca_file.read_bytes() if arguments.ca_file else None
        token = arguments.token_file.read_text().strip() if arguments.token_file else None
        with connect(arguments.server, ca=ca, token=token) as channel:
            return deploy(TaskServiceStub(channel), request)
    except grpc.RpcError as error:
        note(f"error: {Failure.of(error)}")
        return UNKNOWN
    except KeyboardInterrupt:
        note(f"stopped watching; to go on: --request-id {request.request_id}")
        return INTERRUPTED


def deploy(tasks: TaskServiceStub, request: CreateTaskRequest) -> int:
    """Creates the task of `request`, prints what happens to it, and returns the exit code of its result."""
    task = create_task(tasks, request)
    note(f"task {task.task_id}")
    names = Names()
    for event in watch_until_done(tasks, task.task_id, on_interruption=tell):
        names.learn(event)
        line = describe(event)
        if line is not None:
            moment = event.ts.ToDatetime().strftime("%H:%M:%S.%f")[:-3]
            print(f"{event.sequence:>6}  {moment}  {names.of(event):<32}  {line}", flush=True)
    # The last event is the end of the task itself.
    return exit_code(event.task_finished)


class Names:
    """What to call the tasks of a tree: a node, a step on a node, or the action."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, event: TaskEvent) -> None:
        """Remembers the name of the task that an event shows."""
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            self._remember(event.snapshot)
        elif kind == "subtask_added":
            self._remember(event.subtask_added)

    def of(self, event: TaskEvent) -> str:
        """The name of the task that an event is about."""
        return self._names.get(event.task_id, event.task_id)

    def _remember(self, task: Task) -> None:
        place = [part for part in (task.node_name, task.step) if part]
        self._names[task.task_id] = "/".join(place) or token(TaskAction, task.action)


def describe(event: TaskEvent) -> str | None:
    """What happened, in words; None for what is not worth a line."""
    match event.WhichOneof("event"):
        case "snapshot_complete":
            return f"watching from here, {event.snapshot_complete.task_count} task(s) so far"
        case "status_changed":
            change = event.status_changed
            return f"{token(TaskStatus, change.previous_status)} -> {token(TaskStatus, change.status)}"
        case "message_added":
            message = event.message_added
            return f"{'error: ' if message.error else ''}{message.message}"
        case "task_finished":
            task = event.task_finished
            return f"{token(ResultStatus, task.result.status)}: {task.result.message}"
        case _:
            # Also what a newer server sends and this program does not know.
            return None


def exit_code(task: Task) -> int:
    """The exit code of a finished deployment."""
    if task.status == TASK_STATUS_TERMINATED:
        return TERMINATED
    return {
        RESULT_STATUS_SUCCESS: SUCCESS,
        RESULT_STATUS_PARTIAL_SUCCESS: PARTIAL_SUCCESS,
        RESULT_STATUS_FAILURE: FAILURE,
    }.get(task.result.status, UNKNOWN)


def tell(interruption: Interruption) -> None:
    """Says that a stream broke, and what follows."""
    follows = "beginning anew" if interruption.begins_anew else "resuming"
    note(f"interrupted: {interruption.failure}; {follows}")


def note(text: str) -> None:
    """Says what is no transition."""
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("design_ref", metavar="URI", help="the design, such as file:///srv/drydock/site.yaml")
    parser.add_argument(
        "--node", action="append", metavar="NAME", help="deploy this node; repeat for more (default: all)"
    )
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument(
        "--request-id",
        type=uuid.UUID,
        default=uuid.uuid4(),
        metavar="UUID",
        help="the same id finds the same deployment (default: a new one)",
    )
    parser.add_argument(
        "--ca-file", type=pathlib.Path, metavar="FILE", help="authority of the server, PEM (default: no encryption)"
    )
    parser.add_argument("--token-file", type=pathlib.Path, metavar="FILE", help="token to show (default: none)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
