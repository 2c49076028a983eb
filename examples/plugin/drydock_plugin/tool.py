"""The pretend vendor's tool, and the steps that are done with it: the part that you replace.

The tool keeps its machines in a file, so that they outlive the plug-in as real ones would.
"""

from __future__ import annotations

import asyncio
import json
import pathlib

from google.protobuf.struct_pb2 import Struct

from drydock.driver.v1 import step_pb2
from drydock.driver.v1.execution_pb2 import ERROR_KIND_REFUSED, BuildData, NotFound, Outcome
from drydock.driver.v1.step_pb2 import POLICY_CONVERGE, POLICY_GUARDED, POLICY_OBSERVE

from .journal import replace
from .service import Support
from .work import Failed, Work, success

#: Parts of an installation.
PARTS = 10


class Tool:
    """The machines, and what can be done to them."""

    def __init__(self, path: pathlib.Path, pace: float) -> None:
        self._path = path
        self._pace = pace
        self._machines: dict[str, dict] = json.loads(path.read_text()) if path.exists() else {}

    def machine(self, name: str) -> dict:
        """A machine. One that nobody has heard of is there and off."""
        new = {"power": "off", "boot": "disk", "known": False, "installed": 0, "owner": None, "deployments": []}
        return self._machines.setdefault(name, new)

    async def change(self, name: str, **fields: object) -> None:
        """Changes something about a machine. It takes its time, and lasts."""
        await asyncio.sleep(self._pace)
        self.machine(name).update(fields)
        replace(self._path, self._machines)

    def deploy(self, name: str, mark: str) -> None:
        """Begins a deployment: once for each mark, however often it is asked."""
        machine = self.machine(name)
        if machine["owner"] == mark:
            return
        if machine["owner"] is not None:
            raise Failed(ERROR_KIND_REFUSED, f"{name} is deployed already; destroy it first")
        machine.update(owner=mark, installed=0, deployments=[*machine["deployments"], mark])
        replace(self._path, self._machines)

    async def validate(self, work: Work) -> Outcome:
        """Reads only."""
        return success(f"the tool knows {len(self._machines)} machines")

    async def nothing(self, work: Work) -> Outcome:
        """Says that there is nothing to do, rather than to be silent about it."""
        return success("the tool keeps nothing of the kind")

    async def interrogate(self, work: Work) -> Outcome:
        """Reads only, and reports what it found as build data."""
        name = work.attempt.node_name
        machine = self.machine(name)
        extra = Struct()
        extra.update({"power": machine["power"]})
        found = BuildData(data_format="application/json", data_element=json.dumps({"name": name, **machine}))
        return success(f"{name} is {machine['power']}", extra=extra, build_data=[found])

    async def identify(self, work: Work) -> Outcome:
        """A machine is known once it has booted from the network."""
        name = work.attempt.node_name
        if self.machine(name)["known"]:
            return success(f"the tool knows {name}")
        return Outcome(not_found=NotFound(message=f"the tool does not know {name}"))

    async def set_boot(self, work: Work) -> Outcome:
        """Reads, acts on a difference: so it can be repeated."""
        name = work.attempt.node_name
        if self.machine(name)["boot"] != "network":
            await self.change(name, boot="network")
        return success(f"{name} boots from the network next time")

    async def power_cycle(self, work: Work) -> Outcome:
        """Off for certain, then on for certain. Never toggled: it can be repeated from anywhere."""
        name = work.attempt.node_name
        await self.change(name, power="off")
        work.say(f"{name} is off")
        booted = self.machine(name)["boot"] == "network"
        await self.change(name, power="on", boot="disk", known=booted or self.machine(name)["known"])
        return success(f"{name} was off and is on")

    async def configure(self, work: Work) -> Outcome:
        """Takes a machine under control."""
        await self.change(work.attempt.node_name, controlled=True)
        return success("under control")

    async def apply(self, work: Work) -> Outcome:
        """Writes down what is wanted."""
        wanted = step_pb2.Step.Name(work.attempt.step).removeprefix("STEP_APPLY_NODE_").lower()
        await self.change(work.attempt.node_name, **{wanted: "as designed"})
        return success(f"{wanted} is as designed")

    async def install(self, work: Work) -> Outcome:
        """Installs part after part, and goes on where it stopped."""
        name = work.attempt.node_name
        machine = self.machine(name)
        # The tool refuses a second deployment, and takes the same mark for the same one.
        self.deploy(name, work.attempt.task_id)
        if machine["installed"]:
            work.say(f"going on after part {machine['installed']} of {PARTS}")
        for part in range(machine["installed"], PARTS):
            await self.change(name, installed=part + 1)
            work.progress((part + 1) * 100 // PARTS, f"installing {name}")
        return success(f"{name} is installed")

    async def wipe(self, work: Work) -> Outcome:
        """Wipes a machine and releases it."""
        await self.change(work.attempt.node_name, installed=0, owner=None)
        return success(f"{work.attempt.node_name} is wiped")


def steps(tool: Tool, without: list[str]) -> dict[int, Support]:
    """The steps that are done with a tool, but those in `without`."""
    all_steps = {
        "validate_node_services": Support(POLICY_OBSERVE, True, tool.validate),
        "validate_oob_services": Support(POLICY_OBSERVE, True, tool.validate),
        "create_network_template": Support(POLICY_CONVERGE, True, tool.nothing),
        "configure_user_credentials": Support(POLICY_CONVERGE, True, tool.nothing),
        "configure_node_provisioner": Support(POLICY_CONVERGE, True, tool.nothing),
        "interrogate_oob": Support(POLICY_OBSERVE, True, tool.interrogate),
        "identify_node": Support(POLICY_OBSERVE, True, tool.identify),
        "set_node_boot": Support(POLICY_CONVERGE, True, tool.set_boot),
        # To stop it half-way would leave the machine off.
        "power_cycle_node": Support(POLICY_CONVERGE, False, tool.power_cycle),
        "configure_hardware": Support(POLICY_GUARDED, True, tool.configure),
        "apply_node_networking": Support(POLICY_CONVERGE, True, tool.apply),
        "apply_node_storage": Support(POLICY_CONVERGE, True, tool.apply),
        "apply_node_platform": Support(POLICY_CONVERGE, True, tool.apply),
        "deploy_node": Support(POLICY_GUARDED, True, tool.install),
        "destroy_node": Support(POLICY_GUARDED, False, tool.wipe),
    }
    return {
        step_pb2.Step.Value(f"STEP_{name.upper()}"): support
        for name, support in all_steps.items()
        if name not in without
    }
