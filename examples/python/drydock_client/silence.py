"""Noticing that a stream is dead although its connection lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

# Cancelling takes no word from the server. In seconds.
_CANCEL_BOUND = 5.0


class SilenceGuard:
    """Cancels a stream when nothing came for too long, which makes its reader fail with CANCELLED.

    Only the time that the reader waits counts: a slow reader is no sign of a dead server. Use it as a context, and
    read the stream through `messages`.
    """

    def __init__(self, stream: Any, bound: float) -> None:
        self._stream = stream
        self._bound = bound
        self._waiting_since: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._guard, name="drydock-silence", daemon=True)

    def __enter__(self) -> SilenceGuard:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closed.set()
        self._thread.join()
        # Frees what the stream holds, here and on the server, also where its reader turned away.
        ended = threading.Event()
        if self._stream.add_callback(ended.set):
            self._stream.cancel()
            # gRPC's thread handles the end under a lock that the stream's finalizer takes too. A program that
            # ended in between would stop that thread, and then wait for the lock for ever.
            ended.wait(_CANCEL_BOUND)

    def messages(self) -> Iterator[Any]:
        """The messages of the stream."""
        while True:
            self._waiting_since = time.monotonic()
            try:
                message = next(self._stream)
            except StopIteration:
                return
            finally:
                self._waiting_since = None
            yield message

    def _guard(self) -> None:
        while not self._closed.wait(self._bound / 8):
            since = self._waiting_since
            if since is not None and time.monotonic() - since > self._bound:
                self._stream.cancel()
                return
