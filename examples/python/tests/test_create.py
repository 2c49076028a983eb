"""Creating asks again with the same id, and only where asking again can help."""

from __future__ import annotations

import unittest
import uuid

import grpc

from drydock.v1.task_pb2 import TASK_ACTION_DEPLOY_NODE, Task
from drydock.v1.task_service_pb2 import CreateTaskRequest
from drydock_client import Failure, create_task

from .server import Refusal, Served


def request() -> CreateTaskRequest:
    """A request with an id of its own."""
    return CreateTaskRequest(
        action=TASK_ACTION_DEPLOY_NODE, design_ref="file:///site.yaml", request_id=str(uuid.uuid4())
    )


class Creating(unittest.TestCase):
    """Every test scripts the answers of the server, in order."""

    def test_an_unknown_outcome_is_asked_again_with_the_same_id(self) -> None:
        answers = [
            Refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_delay_ms=1),
            Refusal(grpc.StatusCode.UNKNOWN),
            Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", retry_delay_ms=1),
            Task(task_id="the one"),
        ]
        asked = request()
        with Served(answers) as served:
            self.assertEqual(create_task(served.tasks, asked).task_id, "the one")
        self.assertEqual(served.script.requests, [asked] * 4)

    def test_a_refusal_is_raised_at_once(self) -> None:
        for code, reason in (
            (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
            (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
            (grpc.StatusCode.INTERNAL, "INTERNAL"),
        ):
            with self.subTest(reason=reason), Served([Refusal(code, reason)]) as served:
                with self.assertRaises(grpc.RpcError) as raised:
                    create_task(served.tasks, request())
                self.assertEqual(Failure.of(raised.exception)[:2], (code, reason))

    def test_it_gives_up_in_time(self) -> None:
        refusal = Refusal(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", retry_delay_ms=500)
        with Served([refusal]) as served, self.assertRaises(grpc.RpcError):
            create_task(served.tasks, request(), give_up_after=0.2)

    def test_a_request_that_cannot_be_repeated_is_not_sent(self) -> None:
        with Served([]) as served, self.assertRaises(ValueError):
            create_task(served.tasks, CreateTaskRequest())


if __name__ == "__main__":
    unittest.main()
