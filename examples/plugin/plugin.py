#!/usr/bin/env python3
"""A driver plug-in for Drydock: the machines of a pretend vendor's tool, which keeps them in a file.

It may be killed and started again at any moment: whatever has to survive is on disk before it is told.
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import signal

import grpc

from drydock.driver.v1.driver_service_pb2_grpc import add_DriverServiceServicer_to_server
from drydock_plugin import Journal, PluginService, Token, Tool, steps


async def serve(arguments: argparse.Namespace) -> None:
    """Serves until it is told to stop."""
    arguments.state.mkdir(parents=True, exist_ok=True)
    tool = Tool(arguments.state / "machines.json", arguments.pace)
    journal = Journal(arguments.state / "journal.json")
    service = PluginService("vendor-tool", steps(tool, without=arguments.without), journal)

    interceptors = [Token(arguments.token_file.read_text().strip())] if arguments.token_file else []
    server = grpc.aio.server(interceptors=interceptors)
    add_DriverServiceServicer_to_server(service, server)
    if arguments.certificate:
        pair = (arguments.key.read_bytes(), arguments.certificate.read_bytes())
        authorities = arguments.client_ca.read_bytes() if arguments.client_ca else None
        credentials = grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)
        port = server.add_secure_port(arguments.listen, credentials)
    else:
        port = server.add_insecure_port(arguments.listen)
    await server.start()
    # The last line before it serves, for whoever started it and waits.
    print(f"listening on {arguments.listen.rpartition(':')[0]}:{port}", flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    # Streams end at once. Drydock follows again, here or in the next process, which finds the marks.
    await server.stop(grace=None)
    await service.stop()


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:50061", help="HOST:PORT, of port 0 a free one (%(default)s)")
    parser.add_argument("--state", type=pathlib.Path, default="plugin-state", help="directory of its files")
    parser.add_argument("--certificate", type=pathlib.Path, help="PEM file; with it, TLS is spoken")
    parser.add_argument("--key", type=pathlib.Path, help="PEM file of the certificate's key")
    parser.add_argument("--client-ca", type=pathlib.Path, help="PEM file of who signs the certificates of callers")
    parser.add_argument("--token-file", type=pathlib.Path, help="file with the token that callers have to show")
    parser.add_argument("--pace", type=float, default=1.0, help="seconds for each part of the work (%(default)s)")
    parser.add_argument("--without", action="append", default=[], metavar="STEP", help="a step that it shall not do")
    arguments = parser.parse_args()
    if bool(arguments.certificate) != bool(arguments.key):
        parser.error("--certificate and --key go together")
    return arguments


if __name__ == "__main__":
    asyncio.run(serve(parse()))
