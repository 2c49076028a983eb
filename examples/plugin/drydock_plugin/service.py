"""The protocol: which call may do what. Nothing here knows what a step does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import grpc

from drydock.driver.v1.driver_service_pb2 import DescribeRequest, DescribeResponse, StepSupport
from drydock.driver.v1.driver_service_pb2_grpc import DriverServiceServicer
from drydock.driver.v1.execution_pb2 import (
    ERROR_KIND_BUSY,
    ERROR_KIND_UNSUPPORTED,
    ExecuteRequest,
    ExecuteResponse,
    Failure,
    Fenced,
    Outcome,
)
from drydock.driver.v1.inspection_pb2 import (
    CancelRequest,
    CancelResponse,
    InspectRequest,
    InspectResponse,
    Interrupted,
    NotBegun,
    Running,
)
from drydock.driver.v1.step_pb2 import POLICY_CONVERGE, POLICY_GUARDED, POLICY_OBSERVE, POLICY_ONCE, Attempt

from .journal import Journal
from .work import Work

PROTOCOL_VERSION = 1

#: Steps that ended and can still be asked after.
KEPT_WORKS = 1000

#: What is promised about doing a step again, the strongest promise first.
STRENGTH = [POLICY_OBSERVE, POLICY_CONVERGE, POLICY_GUARDED, POLICY_ONCE]


@dataclass
class Support:
    """How a step is done."""

    policy: int
    interruptible: bool
    run: Callable[[Work], Awaitable[Outcome]]


class PluginService(DriverServiceServicer):
    """Does the steps that it is given."""

    def __init__(self, name: str, supported: dict[int, Support], journal: Journal) -> None:
        self._name = name
        self._supported = supported
        self._journal = journal
        self._works: dict[str, Work] = {}
        self._attempts: dict[str, tuple[int, int]] = {}

    async def Describe(self, request: DescribeRequest, context: grpc.aio.ServicerContext) -> DescribeResponse:
        """Tells what it can do."""
        steps = [
            StepSupport(step=step, policy=support.policy, interruptible=support.interruptible)
            for step, support in self._supported.items()
        ]
        return DescribeResponse(protocol_version=PROTOCOL_VERSION, name=self._name, version="1.0", steps=steps)

    async def Execute(
        self, request: ExecuteRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[ExecuteResponse]:
        """Begins or follows a step."""
        attempt = request.attempt
        fenced = self._fenced(attempt)
        if fenced is not None:
            yield ExecuteResponse(fenced=fenced)
            return
        after = request.follow.after
        if request.HasField("begin"):
            outcome = self._begin(request)
            if outcome is not None:
                yield ExecuteResponse(number=1, outcome=outcome)
                return
            after = 0
        work = self._works.get(attempt.task_id)
        if work is not None:
            async for update in work.follow(attempt.epoch, after):
                yield update
        # Without work the stream ends here: nothing goes on, and Inspect says why.

    async def Inspect(self, request: InspectRequest, context: grpc.aio.ServicerContext) -> InspectResponse:
        """Tells what became of a step."""
        attempt = request.attempt
        fenced = self._fenced(attempt)
        if fenced is not None:
            return InspectResponse(fenced=fenced)
        work = self._works.get(attempt.task_id)
        last_update = work.last_update if work else 0
        if work is not None and work.goes_on:
            return InspectResponse(running=Running(), last_update=last_update)
        ended = work.outcome if work is not None and work.outcome else self._journal.outcome(attempt.task_id)
        if ended is not None:
            return InspectResponse(ended=ended, last_update=last_update)
        if self._journal.has_mark(attempt.task_id):
            # All steps here go on where they stopped. One that cannot would say that it has failed.
            return InspectResponse(interrupted=Interrupted(), last_update=last_update)
        return InspectResponse(not_begun=NotBegun())

    async def Cancel(self, request: CancelRequest, context: grpc.aio.ServicerContext) -> CancelResponse:
        """Asks a step to stop."""
        attempt = request.attempt
        fenced = self._fenced(attempt)
        if fenced is not None:
            return CancelResponse(fenced=fenced)
        work = self._works.get(attempt.task_id)
        if work is not None and work.goes_on and self._supported[attempt.step].interruptible:
            work.cancel()
        return CancelResponse()

    async def stop(self) -> None:
        """Stops everything, as if nobody held it any more."""
        for work in list(self._works.values()):
            await work.stopped()

    def _fenced(self, attempt: Attempt) -> Fenced | None:
        """What a call is answered with whose time is over. First thing in every call about an attempt."""
        over = self._journal.epoch_over(attempt)
        if over is not None:
            return Fenced(epoch=over)
        # A call of an earlier attempt may come late, over a connection that was given up. That needs no journal:
        # connections do not outlive this process.
        this = (attempt.epoch, attempt.number)
        if this < self._attempts.get(attempt.task_id, this):
            return Fenced(epoch=attempt.epoch)
        self._attempts[attempt.task_id] = this
        for work in self._works.values():
            if work.attempt.root_task_id == attempt.root_task_id and self._same_node(work, attempt):
                work.fence(attempt.epoch)
        return None

    def _begin(self, request: ExecuteRequest) -> Outcome | None:
        """Begins a step, unless it goes on; an outcome: there is nothing to begin."""
        attempt, begin = request.attempt, request.begin
        support = self._supported.get(attempt.step)
        if support is None or STRENGTH.index(support.policy) > STRENGTH.index(begin.policy):
            return refusal(ERROR_KIND_UNSUPPORTED, "the plug-in does not do this step, or promises less for it")
        work = self._works.get(attempt.task_id)
        if work is not None and work.goes_on:
            return None
        leaves_mark = support.policy in (POLICY_GUARDED, POLICY_ONCE)
        if leaves_mark:
            ended = self._journal.outcome(attempt.task_id)
            if ended is not None:
                return ended
        for other in self._works.values():
            if other.goes_on and self._same_node(other, attempt):
                return refusal(ERROR_KIND_BUSY, "something else is done on the node", transient=True)

        stop_within = request.stop_within.ToTimedelta().total_seconds()
        work = Work(attempt, begin.nodes[0] if begin.nodes else None, stop_within)
        self._works[attempt.task_id] = work
        self._forget()

        async def run(work: Work) -> Outcome:
            if leaves_mark:
                self._journal.begin(attempt.task_id)
            work.begun()
            return await support.run(work)

        def ended(outcome: Outcome) -> None:
            if leaves_mark:
                self._journal.end(attempt.task_id, outcome)

        work.begin(run, ended)
        return None

    @staticmethod
    def _same_node(work: Work, attempt: Attempt) -> bool:
        return (work.attempt.site, work.attempt.node_name) == (attempt.site, attempt.node_name)

    def _forget(self) -> None:
        over = [task_id for task_id, work in self._works.items() if not work.goes_on]
        for task_id in over[: max(0, len(self._works) - KEPT_WORKS)]:
            del self._works[task_id]
            self._attempts.pop(task_id, None)


def refusal(kind: int, message: str, transient: bool = False) -> Outcome:
    """The outcome of a step that was not begun."""
    return Outcome(failure=Failure(kind=kind, message=message, transient=transient, not_sent=True))
