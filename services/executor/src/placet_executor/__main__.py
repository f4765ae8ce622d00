"""``python -m placet_executor``: read the environment, run."""

import asyncio
import sys

from placet.errors import CommandError
from placet.loading import load
from placet_executor.app import build
from placet_executor.settings import Settings
from placet_runtime import logs
from placet_runtime.serve import serve
from placet_runtime.settings import read


def main(app: str | None = None) -> None:
    """Run the executor of the app that is named, or that ``PLACET_APP`` names."""
    settings = read(Settings, app=app) if app else read(Settings)
    logs.configure(settings.log_level, settings.log_format)
    serve(build(settings, load(settings.app)), settings.host, settings.port, asyncio.Event())


if __name__ == "__main__":
    try:
        main()
    except CommandError as error:
        sys.exit(f"placet: {error}")
