"""What a plug-in promises, asked over the wire."""

from __future__ import annotations

import asyncio
import pathlib
import tempfile
import unittest
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration

from drydock.driver.v1 import step_pb2
from drydock.driver.v1.driver_service_pb2 import DescribeRequest
from drydock.driver.v1.driver_service_pb2_grpc import DriverServiceStub, add_DriverServiceServicer_to_server
from drydock.driver.v1.execution_pb2 import ERROR_KIND_BUSY, ERROR_KIND_UNSUPPORTED, Begin, ExecuteRequest, Follow
from drydock.driver.v1.inspection_pb2 import CancelRequest, InspectRequest
from drydock.driver.v1.step_pb2 import POLICY_CONVERGE, POLICY_GUARDED, POLICY_OBSERVE, Attempt, Node
from drydock_plugin import Journal, PluginService, Token, Tool, steps

ROOT = str(uuid.uuid4())


class Served:
    """A plug-in that serves. Entered again on the same directory, it is one that was restarted."""

    def __init__(self, directory: str, pace: float = 0.01) -> None:
        state = pathlib.Path(directory)
        self.tool = Tool(state / "machines.json", pace)
        journal = Journal(state / "journal.json")
        self.service = PluginService("test", steps(self.tool, without=["apply_node_storage"]), journal)

    async def __aenter__(self) -> Served:
        self.server = grpc.aio.server(interceptors=[Token("right")])
        add_DriverServiceServicer_to_server(self.service, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = DriverServiceStub(self.channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()
        await self.server.stop(grace=None)
        await self.service.stop()

    def begin(self, attempt: Attempt, policy: int, stop_within: float = 10.0):
        """Begins a step."""
        begin = Begin(policy=policy, action="deploy_node", nodes=[Node(name=attempt.node_name)])
        return self._execute(ExecuteRequest(attempt=attempt, begin=begin), stop_within)

    def follow(self, attempt: Attempt, after: int = 0):
        """Follows a step."""
        return self._execute(ExecuteRequest(attempt=attempt, follow=Follow(after=after)), 10.0)

    def _execute(self, request: ExecuteRequest, stop_within: float):
        request.stop_within.CopyFrom(Duration(nanos=int(stop_within * 1e9) % 10**9, seconds=int(stop_within)))
        return self.stub.Execute(request, metadata=METADATA, timeout=10)

    async def inspect(self, attempt: Attempt):
        """Asks what became of a step."""
        return await self.stub.Inspect(InspectRequest(attempt=attempt), metadata=METADATA)

    async def cancel(self, attempt: Attempt):
        """Asks a step to stop."""
        return await self.stub.Cancel(CancelRequest(attempt=attempt), metadata=METADATA)


METADATA = [("authorization", "Bearer right")]


def attempt(step: int, epoch: int = 1, number: int = 1, task_id: str | None = None, node: str = "n1") -> Attempt:
    """An attempt at a step of one root."""
    task_id = task_id or str(uuid.uuid4())
    return Attempt(
        task_id=task_id, number=number, root_task_id=ROOT, epoch=epoch, step=step, site="harbour", node_name=node
    )


def later(one: Attempt, **fields: object) -> Attempt:
    """The same attempt with something else."""
    other = Attempt()
    other.CopyFrom(one)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


async def kinds(stream) -> list[str]:
    """What a stream tells, to its end."""
    return [update.WhichOneof("update") async for update in stream]


class Promises(unittest.IsolatedAsyncioTestCase):
    """Each on a plug-in of its own."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    async def test_a_step_tells_its_progress_and_its_outcome(self) -> None:
        async with Served(self.directory) as plugin:
            stream = plugin.begin(attempt(step_pb2.STEP_DEPLOY_NODE), POLICY_GUARDED)
            updates = [update async for update in stream]
            self.assertEqual([update.number for update in updates], list(range(1, 13)))
            told = [update.WhichOneof("update") for update in updates]
            self.assertEqual(told, ["begun"] + ["progress"] * 10 + ["outcome"])
            self.assertEqual(updates[-1].outcome.success.message, "n1 is installed")

    async def test_a_lower_epoch_is_refused_in_every_call_also_after_a_restart(self) -> None:
        for _ in range(2):
            async with Served(self.directory) as plugin:
                one = attempt(step_pb2.STEP_DEPLOY_NODE)
                self.assertTrue((await plugin.inspect(later(one, epoch=5))).HasField("not_begun"))
                self.assertEqual((await plugin.inspect(later(one, epoch=4))).fenced.epoch, 5)
                self.assertEqual((await plugin.cancel(later(one, epoch=4))).fenced.epoch, 5)
                self.assertEqual(await kinds(plugin.begin(later(one, epoch=4), POLICY_GUARDED)), ["fenced"])
                self.assertEqual(await kinds(plugin.follow(later(one, epoch=4))), ["fenced"])
                # Another node, and another root, have epochs of their own.
                other_node = attempt(step_pb2.STEP_DEPLOY_NODE, node="n2")
                other_root = later(attempt(step_pb2.STEP_DEPLOY_NODE), root_task_id="other")
                for other in [other_node, other_root]:
                    self.assertTrue((await plugin.inspect(other)).HasField("not_begun"))
                self.assertEqual(plugin.tool.machine("n1")["deployments"], [])

    async def test_an_attempt_that_comes_late_is_refused(self) -> None:
        async with Served(self.directory) as plugin:
            one = attempt(step_pb2.STEP_DEPLOY_NODE)
            self.assertTrue((await plugin.inspect(later(one, number=2))).HasField("not_begun"))
            self.assertEqual(await kinds(plugin.begin(one, POLICY_GUARDED)), ["fenced"])

    async def test_a_successor_takes_the_work_over_and_its_predecessor_is_told(self) -> None:
        async with Served(self.directory, pace=0.1) as plugin:
            one = attempt(step_pb2.STEP_DEPLOY_NODE)
            stream = plugin.begin(one, POLICY_GUARDED)
            first = await anext(aiter(stream))
            self.assertEqual(first.WhichOneof("update"), "begun")
            found = await plugin.inspect(later(one, epoch=2))
            self.assertTrue(found.HasField("running"))
            self.assertEqual((await kinds(stream))[-1], "fenced")
            told = await kinds(plugin.follow(later(one, epoch=2), after=found.last_update))
            self.assertEqual(told[-1], "outcome")
            self.assertEqual(plugin.tool.machine("n1")["deployments"], [one.task_id])

    async def test_work_that_nobody_holds_stops_in_time_and_goes_on_when_it_is_begun_again(self) -> None:
        async with Served(self.directory, pace=0.1) as plugin:
            one = attempt(step_pb2.STEP_DEPLOY_NODE)
            stream = plugin.begin(one, POLICY_GUARDED, stop_within=0.3)
            await anext(aiter(stream))
            stream.cancel()
            await asyncio.sleep(0.3)
            self.assertTrue((await plugin.inspect(one)).HasField("interrupted"))
            stopped_at = plugin.tool.machine("n1")["installed"]
            await asyncio.sleep(0.3)
            self.assertEqual(plugin.tool.machine("n1")["installed"], stopped_at)
            self.assertEqual(await kinds(plugin.follow(one)), ["begun"] + ["progress"] * stopped_at)
            told = await kinds(plugin.begin(later(one, number=2), POLICY_GUARDED))
            self.assertEqual(told[-1], "outcome")
            self.assertEqual(plugin.tool.machine("n1")["deployments"], [one.task_id])

    async def test_a_restart_finds_what_was_begun_and_what_ended(self) -> None:
        one = attempt(step_pb2.STEP_DEPLOY_NODE)
        async with Served(self.directory, pace=0.05) as plugin:
            stream = plugin.begin(one, POLICY_GUARDED)
            while (await anext(aiter(stream))).WhichOneof("update") != "progress":
                pass
        async with Served(self.directory) as plugin:
            self.assertTrue((await plugin.inspect(one)).HasField("interrupted"))
            updates = [update async for update in plugin.begin(one, POLICY_GUARDED)]
            self.assertTrue(updates[-1].outcome.HasField("success"))
        async with Served(self.directory) as plugin:
            self.assertTrue((await plugin.inspect(one)).ended.HasField("success"))
            # Begun again, it tells its outcome again.
            self.assertEqual(await kinds(plugin.begin(later(one, number=2), POLICY_GUARDED)), ["outcome"])
            self.assertEqual(plugin.tool.machine("n1")["deployments"], [one.task_id])

    async def test_what_can_be_stopped_stops_when_it_is_asked_to(self) -> None:
        async with Served(self.directory, pace=0.2) as plugin:
            one = attempt(step_pb2.STEP_DEPLOY_NODE)
            await plugin.cancel(one)
            stream = plugin.begin(one, POLICY_GUARDED)
            await anext(aiter(stream))
            await plugin.cancel(one)
            updates = [update async for update in stream]
            self.assertTrue(updates[-1].outcome.HasField("cancelled"))
            cycle = attempt(step_pb2.STEP_POWER_CYCLE_NODE)
            stream = plugin.begin(cycle, POLICY_CONVERGE)
            await anext(aiter(stream))
            await plugin.cancel(cycle)
            updates = [update async for update in stream]
            self.assertTrue(updates[-1].outcome.HasField("success"))

    async def test_a_node_has_one_work_at_a_time(self) -> None:
        async with Served(self.directory, pace=0.2) as plugin:
            stream = plugin.begin(attempt(step_pb2.STEP_DEPLOY_NODE), POLICY_GUARDED)
            await anext(aiter(stream))
            updates = [u async for u in plugin.begin(attempt(step_pb2.STEP_SET_NODE_BOOT), POLICY_CONVERGE)]
            self.assertEqual(updates[0].outcome.failure.kind, ERROR_KIND_BUSY)
            other = plugin.begin(attempt(step_pb2.STEP_SET_NODE_BOOT, node="n2"), POLICY_CONVERGE)
            self.assertEqual((await kinds(other))[-1], "outcome")

    async def test_what_was_not_promised_is_not_done(self) -> None:
        async with Served(self.directory) as plugin:
            for step, policy in [
                (step_pb2.STEP_APPLY_NODE_STORAGE, POLICY_CONVERGE),
                (step_pb2.STEP_DEPLOY_NODE, POLICY_OBSERVE),
            ]:
                updates = [update async for update in plugin.begin(attempt(step), policy)]
                self.assertEqual(updates[0].outcome.failure.kind, ERROR_KIND_UNSUPPORTED)
            self.assertEqual(plugin.tool.machine("n1")["deployments"], [])

    async def test_nobody_is_served_without_the_token(self) -> None:
        async with Served(self.directory) as plugin:
            for metadata in [[], [("authorization", "Bearer wrong")]]:
                with self.assertRaises(grpc.aio.AioRpcError) as refused:
                    await plugin.stub.Describe(DescribeRequest(), metadata=metadata)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
                one = attempt(step_pb2.STEP_DEPLOY_NODE)
                with self.assertRaises(grpc.aio.AioRpcError) as refused:
                    await kinds(plugin.stub.Execute(ExecuteRequest(attempt=one), metadata=metadata))
                self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)


if __name__ == "__main__":
    unittest.main()
