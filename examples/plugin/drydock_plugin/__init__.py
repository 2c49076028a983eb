"""A driver plug-in: `service` and `work` keep the protocol, `journal` remembers, `tool` is what you replace."""

from .journal import Journal
from .service import PluginService
from .token import Token
from .tool import Tool, steps

__all__ = ["Journal", "PluginService", "Token", "Tool", "steps"]
