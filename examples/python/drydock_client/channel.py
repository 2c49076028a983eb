"""The connection to a server."""

from __future__ import annotations

import grpc

_OPTIONS = [
    # While a channel waits to connect again every call on it fails at once. By default that comes to two
    # minutes: a server that is back would not be found.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A peer that vanished without a word is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]


def connect(target: str, *, ca: bytes | None = None, token: str | None = None) -> grpc.Channel:
    """A channel to the server at `target`, such as `127.0.0.1:50051`.

    It connects with the first call and again after each loss. `ca` has the certificates, PEM, of the
    authority that vouches for the server; without it the channel is not encrypted, and a token is shown to
    this machine alone.
    """
    if ca is None and token is None:
        return grpc.insecure_channel(target, options=_OPTIONS)
    transport = grpc.local_channel_credentials() if ca is None else grpc.ssl_channel_credentials(ca)
    if token is not None:
        shown = grpc.access_token_call_credentials(token)
        transport = grpc.composite_channel_credentials(transport, shown)
    return grpc.secure_channel(target, transport, options=_OPTIONS)
