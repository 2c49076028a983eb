"""Tokens: how documents and command lines spell the enums of the contract."""

from __future__ import annotations

import re
from typing import Any


def token(enum: Any, number: int) -> str:
    """The token of a value, `TASK_STATUS_RUNNING` being `running`. One that is newer than this client is its number."""
    value = enum.DESCRIPTOR.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper() + "_"
    return value.name.removeprefix(prefix).lower()
