"""The executor's environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from placet_runtime.receipts import Verifier
from placet_runtime.settings import Duration, Keep, ServiceSettings


def _public_keys(text: str) -> str:
    Verifier(text)
    return text


class Settings(ServiceSettings):
    """``PLACET_APP`` names the author's app, ``module:attribute``."""

    app: str
    port: int = 8701
    verify_keys: Annotated[
        str, AfterValidator(_public_keys)
    ]  # public keys of the approval service: one JWK, or a JWK set
    concurrency: int = Field(default=256, ge=1, le=10_000)  # passes at a time
    lease: Duration = timedelta(seconds=30)
    retry_backoff: Duration = timedelta(seconds=1)  # before the first retry; doubles with each
    retention_runs: Keep = None  # after their end
    drain: Duration = timedelta(seconds=25)  # that handlers get to finish at SIGTERM
