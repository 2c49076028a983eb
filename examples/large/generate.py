#!/usr/bin/env python3
"""Writes a site design of any size to standard output.

    examples/large/generate.py 200 > site.yaml

The site is made like the one in examples/site: machines inherit from host profiles, stand in racks, and carry tags
and labels to select them by. All of them are simulated, and a few misbehave on purpose. The same arguments give the
same design.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Iterator

# What a switch at the top of a rack serves, with ports to spare.
RACK_SIZE = 32

# Racks take turns, so that a filter by row or feed selects a part of any site.
ROWS = ("north", "south")
FEEDS = ("east", "west", "both")

# Every how many machines there is one of a kind: coprime, so that every kind is found in every rack and profile.
KEEPER = 8
FAILING = 101
STUMBLING = 37

# All machines boot from one network; the first of its addresses are kept for what serves them.
NETWORK = ipaddress.ip_network("10.64.0.0/12")
FIRST_ADDRESS = 256
MAX_NODES = 100_000

SITE = f"""\
schema: drydock/Region/v1
metadata:
  name: wide-harbour
data: {{}}
---
schema: drydock/Network/v1
metadata:
  name: boot
data:
  cidr: {NETWORK}
  ranges:
    - type: static
      start: {NETWORK[FIRST_ADDRESS]}
      end: {NETWORK[FIRST_ADDRESS + MAX_NODES]}
---
schema: drydock/NetworkLink/v1
metadata:
  name: boot
data:
  trunking:
    mode: disabled
    default_network: boot
  allowed_networks: [boot]
---
schema: drydock/HardwareProfile/v1
metadata:
  name: plain
data:
  vendor: Example Machines
  device_aliases:
    nic_a:
      address: '0000:18:00.0'
      dev_type: Example 25G adapter
      bus_type: pci
---
# What every machine has in common.
schema: drydock/HostProfile/v1
metadata:
  name: base
data:
  hardware_profile: plain
  oob:
    type: simulated
  primary_network: boot
  interfaces:
    boot0:
      device_link: boot
      slaves: [nic_a]
      networks: [boot]
  platform:
    image: noble
    kernel: ga-24.04
  metadata:
    tags: [generated]
---
# One machine in {KEEPER}.
schema: drydock/HostProfile/v1
metadata:
  name: keeper
data:
  host_profile: base
  metadata:
    tags: [storage]
    owner_data:
      tier: bulk
---
# The others.
schema: drydock/HostProfile/v1
metadata:
  name: worker
data:
  host_profile: base
  metadata:
    tags: [worker]
    owner_data:
      tier: general
"""


def main() -> None:
    """Writes the design that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nodes", type=count, metavar="N", help=f"number of machines, 1 to {MAX_NODES}")
    parser.add_argument("--healthy", action="store_true", help="let no machine misbehave")
    arguments = parser.parse_args()
    racks = -(-arguments.nodes // RACK_SIZE)
    out = sys.stdout
    out.write(f"# Generated: {arguments.nodes} simulated machines in {racks} racks.\n{SITE}")
    for number in range(1, racks + 1):
        out.write(rack(number))
    for number in range(1, arguments.nodes + 1):
        out.writelines(f"{line}\n" for line in node(number, arguments.healthy))


def count(text: str) -> int:
    """A number of machines."""
    nodes = int(text)
    if not 1 <= nodes <= MAX_NODES:
        raise ValueError(text)
    return nodes


def rack(number: int) -> str:
    """The document of a rack."""
    return f"""\
---
schema: drydock/Rack/v1
metadata:
  name: {rack_name(number)}
data:
  labels:
    row: {ROWS[number % len(ROWS)]}
    feed: {FEEDS[number % len(FEEDS)]}
  local_networks: [boot]
"""


def rack_name(number: int) -> str:
    """What a rack is called."""
    return f"rack-{number:04}"


def node(number: int, healthy: bool) -> Iterator[str]:
    """The lines of a machine's document."""
    yield "---"
    yield "schema: drydock/BaremetalNode/v1"
    yield "metadata:"
    yield f"  name: node-{number:06}"
    yield "data:"
    yield f"  host_profile: {'keeper' if number % KEEPER == 0 else 'worker'}"
    yield "  addressing:"
    yield f"    - {{network: boot, address: {NETWORK[FIRST_ADDRESS + number - 1]}}}"
    yield "  metadata:"
    yield f"    rack: {rack_name((number - 1) // RACK_SIZE + 1)}"
    trouble = None if healthy else misbehaviour(number)
    if trouble is not None:
        yield "    owner_data:"
        yield f"      {trouble}"


def misbehaviour(number: int) -> str | None:
    """The label that makes a machine misbehave, if it is one of those."""
    if number % FAILING == 0:
        return "drydock.dev/simulate-fail: deploy_node"
    if number % STUMBLING == 0:
        return "drydock.dev/simulate-flaky: apply_node_platform=2"
    return None


if __name__ == "__main__":
    main()
