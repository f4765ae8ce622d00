"""The notifier serves nobody over HTTP but those who operate it."""

from placet_runtime.operations import ROUTES

__all__ = ["ROUTES"]
