"""Pauses between attempts."""

from __future__ import annotations

import random
import time

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

# A server asks for seconds. One that asks for more than this is not believed.
_LONGEST_REQUEST = 60.0


class Backoff:
    """Pauses that double up to a bound, with jitter, and an end to patience. Times are in seconds.

    Clients that lost the same server at the same moment must not come back at the same moment: the jitter is on
    top of what a server asks for, as it asks the same of all of them.
    """

    def __init__(self, give_up_after: float) -> None:
        self._give_up_after = give_up_after
        self.reset()

    def reset(self) -> None:
        """Something went well: the next failure is the first one again."""
        self._pause = _FIRST_PAUSE
        self._failing_since: float | None = None

    def wait(self, requested: float = 0.0) -> bool:
        """Waits before the next attempt, at least as long as was `requested`; False if there should be none."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        pause = min(requested, _LONGEST_REQUEST) + self._pause * random.uniform(0.5, 1.0)
        if now + pause > self._failing_since + self._give_up_after:
            return False
        time.sleep(pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True
