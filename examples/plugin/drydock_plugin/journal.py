"""What has to survive the plug-in: the epochs that it has seen, and the mark of every step that changes something.

A mark is written before the first thing that its step changes, and an outcome before it is told. That order is all
that makes a crash harmless: whatever is done has a mark, and whatever was told is known.
"""

from __future__ import annotations

import json
import os
import pathlib
import time

from google.protobuf.json_format import MessageToDict, ParseDict

from drydock.driver.v1.execution_pb2 import Outcome
from drydock.driver.v1.step_pb2 import Attempt

#: How long epochs and marks are kept after they were written last, in seconds: far longer than a call may be on its
#: way, and than Drydock waits before it asks what became of a step.
KEPT = 30 * 24 * 60 * 60


class Journal:
    """A JSON file that is replaced whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._epochs: dict[str, dict] = {}
        self._marks: dict[str, dict] = {}
        if path.exists():
            kept = json.loads(path.read_text())
            self._epochs, self._marks = kept["epochs"], kept["marks"]

    def epoch_over(self, attempt: Attempt) -> int | None:
        """The epoch that has taken over from the attempt's; none: there is none, and this one is the highest now."""
        # Epochs of different roots are not comparable, and roots follow each other on a node.
        place = f"{attempt.site}/{attempt.node_name}/{attempt.root_task_id}"
        seen = self._epochs.get(place, {"epoch": 0})["epoch"]
        if attempt.epoch < seen:
            return seen
        if attempt.epoch > seen:
            self._epochs[place] = {"epoch": attempt.epoch, "at": time.time()}
            self._write()
        return None

    def has_mark(self, task_id: str) -> bool:
        """Whether a step may have changed something."""
        return task_id in self._marks

    def outcome(self, task_id: str) -> Outcome | None:
        """How a step ended, if it has a mark and ended."""
        outcome = self._marks.get(task_id, {}).get("outcome")
        return None if outcome is None else ParseDict(outcome, Outcome())

    def begin(self, task_id: str) -> None:
        """Leaves the mark of a step."""
        self._marks[task_id] = {"at": time.time(), "outcome": None}
        self._write()

    def end(self, task_id: str, outcome: Outcome) -> None:
        """Writes down how a step with a mark ended."""
        self._marks[task_id] = {"at": time.time(), "outcome": MessageToDict(outcome)}
        self._write()

    def _write(self) -> None:
        oldest = time.time() - KEPT
        for kept in (self._epochs, self._marks):
            for key in [key for key, value in kept.items() if value["at"] < oldest]:
                del kept[key]
        replace(self._path, {"epochs": self._epochs, "marks": self._marks})


def replace(path: pathlib.Path, document: dict) -> None:
    """Replaces a file, so that a crash leaves the old one or the new one, on disk when this returns.

    It holds up everything else meanwhile. A plug-in for many machines has a database for this.
    """
    new = path.with_suffix(".new")
    with new.open("w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
