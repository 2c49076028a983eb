"""A client of Drydock that survives what happens to a connection.

gRPC never retries a stream, and it does not know whether a call whose answer was lost took effect. Both are
answered here, once: `create_task` creates one task however often it has to ask, and `watch_until_done` yields
every event of a task to its end, whatever becomes of the server meanwhile.

The messages and the stub are in the package `drydock`, which is generated from `proto/`.
"""

from .channel import connect
from .create import create_task
from .failure import Failure
from .token import token
from .watch import Interruption, watch_until_done

__all__ = ["Failure", "Interruption", "connect", "create_task", "token", "watch_until_done"]
