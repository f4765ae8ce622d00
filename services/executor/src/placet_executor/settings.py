"""The executor's environment."""

from datetime import timedelta

from pydantic import Field

from placet_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """``PLACET_APP`` names the author's app, ``module:attribute``."""

    app: str
    port: int = 8701
    verify_keys: str  # public keys of the approval service: one JWK, or a JWK set
    concurrency: int = Field(default=256, ge=1, le=10_000)  # passes at a time
    lease: timedelta = timedelta(seconds=30)
    retry_backoff: timedelta = timedelta(seconds=1)  # before the first retry; doubles with each
    drain: timedelta = timedelta(seconds=25)  # that handlers get to finish at SIGTERM
