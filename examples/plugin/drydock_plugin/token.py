"""Who may call: everybody who shows the token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import grpc


class Token(grpc.aio.ServerInterceptor):
    """Refuses calls without the token, before anything else looks at them."""

    def __init__(self, token: str) -> None:
        self._wanted = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Lets a call pass, or answers it."""
        shown = dict(handler_call_details.invocation_metadata).get("authorization", "")
        # In constant time: how long it takes must not tell how much of the token was right.
        if hmac.compare_digest(str(shown).encode(), self._wanted):
            return await continuation(handler_call_details)
        handler = await continuation(handler_call_details)

        async def refuse(_request: object, context: grpc.aio.ServicerContext) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")

        if handler is not None and handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)
