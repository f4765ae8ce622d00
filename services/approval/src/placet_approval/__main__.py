"""``python -m placet_approval``: read the environment, run."""

import asyncio

from placet_approval.app import build
from placet_approval.settings import Settings
from placet_runtime import logs
from placet_runtime.serve import serve
from placet_runtime.settings import read


def main() -> None:
    """Run the approval service."""
    settings = read(Settings)
    logs.configure(settings.log_level, settings.log_format)
    stopping = asyncio.Event()
    serve(build(settings, stopping), settings.host, settings.port, stopping, proxies=settings.trusted_proxies)


if __name__ == "__main__":
    main()
