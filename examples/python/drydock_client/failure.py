"""What a failed call means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

_DOMAIN = "drydock.dev"

# A connection that breaks has one of these codes, but so may an error that the server tells. Those have a reason.
_BROKEN_CONNECTION = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


class Failure(NamedTuple):
    """Why a call failed."""

    code: grpc.StatusCode
    """The gRPC code."""
    reason: str
    """The name of an `ErrorReason` without its prefix; empty if the error is not the server's."""
    message: str
    """For people."""
    retry_delay: float
    """How long the server asks to wait before the next attempt, in seconds; 0 if it does not."""

    @classmethod
    def of(cls, error: grpc.RpcError) -> Failure:
        """Reads the details of an error."""
        reason, retry_delay = "", 0.0
        for detail in _details(error):
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                if info.domain == _DOMAIN:
                    reason = info.reason
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                retry_delay = retry.retry_delay.ToTimedelta().total_seconds()
        return cls(error.code(), reason, error.details() or "", retry_delay)

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed by itself after a while.

        It says nothing about what the failed call did: its answer may be all that was lost.
        """
        # A deadline is the caller's own: with more time the same may be answered.
        if self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return True
        return self.code in _BROKEN_CONNECTION and not self.reason

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code.name})"


def _details(error: grpc.RpcError) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        # Something between the server and us has changed the status, and left the server's details with it.
        return []
    return status.details if status else []
