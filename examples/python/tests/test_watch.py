"""Watching resumes where it must, begins anew where it must, and gives up where it must."""

from __future__ import annotations

import time
import unittest
from unittest.mock import patch

import grpc

from drydock.v1.task_event_pb2 import Heartbeat, SnapshotComplete, StatusChanged, TaskEvent
from drydock.v1.task_pb2 import RESULT_STATUS_SUCCESS, Status, Task, TaskProgress
from drydock.v1.task_service_pb2 import WatchTaskRequest
from drydock_client import Failure, Interruption, watch_until_done
from drydock_client.silence import SilenceGuard

from .server import Refusal, Served

TASK_ID = "0199c0de-0000-7000-8000-00000000000a"
CHILD_ID = "0199c0de-0000-7000-8000-00000000000b"

SNAPSHOT = TaskEvent(sequence=1, task_id=TASK_ID, snapshot=Task(task_id=TASK_ID))
COMPLETE = TaskEvent(sequence=1, snapshot_complete=SnapshotComplete(task_count=1), resume_token="at-1")
CHILD_END = TaskEvent(sequence=5, task_id=CHILD_ID, task_finished=Task(task_id=CHILD_ID), resume_token="at-5")
END = TaskEvent(
    sequence=9,
    task_id=TASK_ID,
    task_finished=Task(task_id=TASK_ID, result=Status(status=RESULT_STATUS_SUCCESS)),
    resume_token="at-9",
)


def changed(sequence: int) -> TaskEvent:
    """A transition."""
    return TaskEvent(sequence=sequence, task_id=TASK_ID, status_changed=StatusChanged(), resume_token=f"at-{sequence}")


def unavailable(reason: str, retry_delay_ms: int = 0) -> Refusal:
    """A refusal that passes."""
    return Refusal(grpc.StatusCode.UNAVAILABLE, reason, retry_delay_ms)


class Watching(unittest.TestCase):
    """Every test scripts the streams of one watch, in order."""

    def watch(self, *streams: list, resume_token: str = "", give_up_after: float = 10.0) -> Watched:
        """Watches to the end of the scripted streams."""
        watched = Watched()
        with Served(streams) as served:
            events = watch_until_done(
                served.tasks,
                TASK_ID,
                resume_token=resume_token,
                give_up_after=give_up_after,
                on_interruption=watched.interruptions.append,
            )
            try:
                while True:
                    watched.sequences.append(next(events).sequence)
            except StopIteration as end:
                watched.task = end.value
            except grpc.RpcError as error:
                watched.failure = Failure.of(error)
            watched.tokens = served.tokens
        self.assertEqual(served.script.answers, [], "every scripted stream was asked for")
        return watched

    def test_an_undisturbed_watch_returns_the_finished_task(self) -> None:
        watched = self.watch([SNAPSHOT, COMPLETE, changed(4), CHILD_END, END])
        self.assertEqual(watched.sequences, [1, 1, 4, 5, 9])
        self.assertEqual(watched.task, END.task_finished)
        self.assertEqual(watched.interruptions, [])

    def test_it_resumes_after_the_last_message_that_had_a_token(self) -> None:
        heartbeat = TaskEvent(sequence=6, heartbeat=Heartbeat(), resume_token="at-6")
        progress = TaskEvent(sequence=6, task_id=TASK_ID, progress_changed=TaskProgress())
        for broken in (
            unavailable("SERVER_DRAINING"),
            unavailable("WATCH_ROTATED"),
            unavailable("STORE_UNAVAILABLE"),
            Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCH_CONSUMER_STALLED"),
            Refusal(grpc.StatusCode.UNAVAILABLE),
            Refusal(grpc.StatusCode.INTERNAL),
            Refusal(grpc.StatusCode.UNKNOWN),
        ):
            with self.subTest(broken=broken):
                watched = self.watch([SNAPSHOT, COMPLETE, changed(4), heartbeat, progress, broken], [END])
                self.assertEqual(watched.tokens, ["", "at-6"])
                self.assertEqual(watched.sequences, [1, 1, 4, 6, 6, 9])
                self.assertEqual([each.begins_anew for each in watched.interruptions], [False])

    def test_a_stream_that_ends_well_before_its_task_is_resumed(self) -> None:
        watched = self.watch([SNAPSHOT, COMPLETE, CHILD_END], [END])
        self.assertEqual(watched.tokens, ["", "at-5"])
        self.assertEqual(watched.task, END.task_finished)

    def test_a_given_position_is_where_it_begins(self) -> None:
        self.assertEqual(self.watch([END], resume_token="at-4").tokens, ["at-4"])

    def test_a_lost_position_begins_anew_and_says_so(self) -> None:
        for reason in ("RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_STALE_EPOCH"):
            with self.subTest(reason=reason):
                watched = self.watch(
                    [SNAPSHOT, COMPLETE, changed(4), unavailable("WATCH_ROTATED")],
                    [Refusal(grpc.StatusCode.OUT_OF_RANGE, reason)],
                    [SNAPSHOT, COMPLETE, END],
                )
                self.assertEqual(watched.tokens, ["", "at-4", ""])
                self.assertEqual([each.begins_anew for each in watched.interruptions], [False, True])
                self.assertEqual(watched.interruptions[1].failure.reason, reason)
                self.assertEqual(watched.task, END.task_finished)

    def test_a_break_within_the_snapshot_begins_anew_and_says_so(self) -> None:
        watched = self.watch([SNAPSHOT, unavailable("SERVER_DRAINING")], [SNAPSHOT, COMPLETE, END])
        self.assertEqual(watched.tokens, ["", ""])
        self.assertEqual([each.begins_anew for each in watched.interruptions], [True])

    def test_an_outage_is_told_once(self) -> None:
        refused = [unavailable("SERVER_DRAINING")]
        watched = self.watch([COMPLETE, *refused], refused, refused, [END])
        self.assertEqual(len(watched.interruptions), 1)
        self.assertEqual(watched.tokens, ["", "at-1", "at-1", "at-1"])

    def test_it_waits_as_long_as_the_server_asks(self) -> None:
        began = time.monotonic()
        self.watch([COMPLETE, unavailable("STORE_UNAVAILABLE", retry_delay_ms=700)], [END])
        self.assertGreaterEqual(time.monotonic() - began, 0.7)

    def test_other_errors_are_raised(self) -> None:
        for code, reason in (
            (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"),
            (grpc.StatusCode.NOT_FOUND, "TASK_PURGED"),
            (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"),
            (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_FUTURE"),
            (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
            (grpc.StatusCode.INTERNAL, "INTERNAL"),
            (grpc.StatusCode.UNIMPLEMENTED, ""),
        ):
            with self.subTest(reason=reason):
                watched = self.watch([COMPLETE, Refusal(code, reason)])
                self.assertEqual(watched.failure[:2], (code, reason))
                self.assertEqual(watched.interruptions, [])

    def test_it_gives_up_in_time(self) -> None:
        watched = self.watch([unavailable("SERVER_DRAINING", retry_delay_ms=500)], give_up_after=0.2)
        self.assertEqual(watched.failure.reason, "SERVER_DRAINING")

    def test_a_silent_stream_is_a_broken_one(self) -> None:
        with patch("drydock_client.watch._SILENCE", 0.4):
            watched = self.watch(Silent([SNAPSHOT, COMPLETE]), [END])
        self.assertEqual(watched.tokens, ["", "at-1"])
        self.assertEqual(watched.interruptions[0].failure.code, grpc.StatusCode.CANCELLED)

    def test_a_slow_reader_does_not_make_a_stream_silent(self) -> None:
        with patch("drydock_client.watch._SILENCE", 0.4), Served([[SNAPSHOT, COMPLETE, END]]) as served:
            for _event in watch_until_done(served.tasks, TASK_ID):
                time.sleep(0.6)
            self.assertEqual(served.tokens, [""])

    def test_an_id_may_be_spelled_in_any_way(self) -> None:
        with Served([[SNAPSHOT, COMPLETE, END]]) as served:
            self.assertEqual(len(list(watch_until_done(served.tasks, TASK_ID.upper()))), 3)

    def test_closing_the_generator_ends_the_stream(self) -> None:
        stream = Silent([SNAPSHOT])
        with Served([stream]) as served:
            events = watch_until_done(served.tasks, TASK_ID)
            next(events)
            events.close()
            # Long before the server would have ended it.
            self.assertTrue(served.script.ended.wait(1))

    def test_no_stream_outlives_its_watch(self) -> None:
        with Served([Silent([SNAPSHOT])]) as served:
            stream = served.tasks.WatchTask(WatchTaskRequest(task_id=TASK_ID))
            with SilenceGuard(stream, bound=5) as guarded:
                next(guarded.messages())
            self.assertFalse(stream.add_callback(lambda: None), "gRPC is done with it")


class Watched:
    """What came of a watch."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.interruptions: list[Interruption] = []
        self.tokens: list[str] = []
        self.task: Task | None = None
        self.failure: Failure | None = None


class Silent(list):
    """Messages after which the stream stays open and says nothing."""

    def __iter__(self):
        yield from super().__iter__()
        time.sleep(2)


if __name__ == "__main__":
    unittest.main()
