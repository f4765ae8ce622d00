"""Finds an author's app by its name."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from placet.app import Placet
from placet.errors import AppNotFound, ModuleNotImportable, NotAnApp, NoWorkflows, SpecInvalid


def load(spec: str) -> Placet:
    """The app that ``module:attribute`` names; the module may be in the current directory.

    Raises:
        AppError: it cannot be used; the message says why in one line.
    """
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise SpecInvalid(spec)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModuleNotImportable(module_name, f"{error.__class__.__name__}: {reason}") from error
    if not hasattr(module, attribute):
        raise AppNotFound(module_name, attribute, _apps(module))
    app = getattr(module, attribute)
    if not isinstance(app, Placet):
        raise NotAnApp(spec, type(app).__name__, _apps(module))
    if not app.workflows:
        raise NoWorkflows(spec)
    return app


def _apps(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Placet)]
