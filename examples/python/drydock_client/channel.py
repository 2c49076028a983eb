"""The connection to a server."""

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


def connect(target: str) -> grpc.Channel:
    """A channel to the server at `target`, such as `127.0.0.1:50051`.

    It connects with the first call and again after each loss. It is not encrypted: the server has no
    authentication yet, and is meant to be reached on the machine itself or through a proxy.
    """
    return grpc.insecure_channel(target, options=_OPTIONS)
