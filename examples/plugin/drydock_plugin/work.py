"""One step that goes on: what it tells, who follows it, and how it stops when nobody does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from drydock.driver.v1.execution_pb2 import (
    ERROR_KIND_INTERNAL,
    Begun,
    Cancelled,
    ExecuteResponse,
    Failure,
    Fenced,
    Message,
    Outcome,
    Progress,
    Success,
)
from drydock.driver.v1.step_pb2 import Attempt, Node

#: Updates that are kept for those who follow later: what the protocol asks for.
KEPT_UPDATES = 100

#: How much of the time within which abandoned work must have stopped passes before it is told to. The rest is for
#: whatever it does at that moment.
PATIENCE = 0.7


class Failed(Exception):
    """A step did not do what was asked."""

    def __init__(self, kind: int, message: str, transient: bool = False) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, message=message, transient=transient)


class Work:
    """A step, from its beginning to its end."""

    def __init__(self, attempt: Attempt, node: Node | None, stop_within: float) -> None:
        self.attempt = attempt
        self.node = node
        self.epoch = attempt.epoch
        self.outcome: Outcome | None = None
        self._patience = stop_within * PATIENCE
        self._updates: deque[ExecuteResponse] = deque(maxlen=KEPT_UPDATES)
        self._count = 0
        self._news = asyncio.Event()
        self._followers = 0
        self._abandoning: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    @property
    def goes_on(self) -> bool:
        """Whether something may still act on the node."""
        return self._task is not None and not self._task.done()

    @property
    def last_update(self) -> int:
        """The number of the last update."""
        return self._count

    def begin(self, step: Callable[[Work], Awaitable[Outcome]], ended: Callable[[Outcome], None]) -> None:
        """Begins it. `ended` is told the outcome before anybody else is; work that is abandoned has none."""
        self._task = asyncio.create_task(self._run(step, ended))
        self._abandon_later()

    async def _run(self, step: Callable[[Work], Awaitable[Outcome]], ended: Callable[[Outcome], None]) -> None:
        try:
            outcome = await step(self)
        except Failed as error:
            outcome = Outcome(failure=error.failure)
        except asyncio.CancelledError:
            if not self._cancelled:
                # Abandoned: nothing is told, and Inspect will say that it was interrupted.
                self._tell(None)
                return
            outcome = Outcome(cancelled=Cancelled(message="stopped, as it was asked to"))
        except Exception as error:  # A defect of the step must not look like a step that goes on.
            message = f"{type(error).__name__} in the plug-in"
            outcome = Outcome(failure=Failure(kind=ERROR_KIND_INTERNAL, message=message))
        ended(outcome)
        self.outcome = outcome
        self._tell(ExecuteResponse(outcome=outcome))

    def begun(self) -> None:
        """Tells that from here on something may have changed."""
        self._tell(ExecuteResponse(begun=Begun()))

    def say(self, text: str) -> None:
        """Tells something to those who watch."""
        self._tell(ExecuteResponse(message=Message(text=text)))

    def progress(self, percent: int, text: str) -> None:
        """Tells how far it is."""
        self._tell(ExecuteResponse(progress=Progress(percent=percent, text=text)))

    def _tell(self, update: ExecuteResponse | None) -> None:
        if update is not None:
            self._count += 1
            update.number = self._count
            self._updates.append(update)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def cancel(self) -> None:
        """Stops it because Drydock asked for that."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def fence(self, epoch: int) -> None:
        """A higher epoch was seen: the streams of lower ones end."""
        if epoch > self.epoch:
            self.epoch = epoch
            self._tell(None)

    async def follow(self, epoch: int, after: int) -> AsyncIterator[ExecuteResponse]:
        """Tells the updates after `after` as they come, to the end."""
        if after > self._count:
            # Counted before a restart.
            after = 0
        self._followers += 1
        if self._abandoning is not None:
            self._abandoning.cancel()
        try:
            while True:
                if epoch < self.epoch:
                    yield ExecuteResponse(fenced=Fenced(epoch=self.epoch))
                    return
                news = self._news
                for update in [update for update in self._updates if update.number > after]:
                    after = update.number
                    yield update
                if not self.goes_on and after >= self._count:
                    return
                if news is self._news:
                    await self._wait(news)
        finally:
            # Also when the stream breaks, when its deadline passes, and when the process that follows was killed.
            self._followers -= 1
            if self._followers == 0 and self.goes_on:
                self._abandon_later()

    async def _wait(self, news: asyncio.Event) -> None:
        """Waits for an update or for the end."""
        waiting = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _abandon_later(self) -> None:
        """Work goes on only while somebody holds it. A next stream that comes in time takes it over."""
        loop = asyncio.get_running_loop()
        self._abandoning = loop.call_later(self._patience, self._abandon)

    def _abandon(self) -> None:
        if self._followers == 0 and self._task is not None:
            self._task.cancel()

    async def stopped(self) -> None:
        """Stops it, as if nobody held it any more, and waits until it has."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


def success(message: str, **fields: object) -> Outcome:
    """The outcome of a step that did what was asked."""
    return Outcome(success=Success(message=message, **fields))
