"""The approval service's environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from placet_contracts.events import MAX_INPUT
from placet_runtime.receipts import Signer
from placet_runtime.settings import Duration, ServiceSettings


def _private_key(key: SecretStr) -> SecretStr:
    Signer(key.get_secret_value())
    return key


class Settings(ServiceSettings):
    """``PLACET_SIGNING_KEY`` is the private key of receipts; ``placet secrets`` makes one."""

    port: int = 8700
    signing_key: Annotated[SecretStr, AfterValidator(_private_key)]
    admin_key: SecretStr | None = Field(default=None, min_length=16)  # the bootstrap key; none: only stored keys
    public_url: str = "http://localhost:8700"
    max_body: int = Field(default=MAX_INPUT, ge=1024, le=MAX_INPUT)  # bytes of a request
    session_idle: Duration = timedelta(hours=8)
    session_lifetime: Duration = timedelta(days=7)
    failed_attempts: int = Field(default=30, ge=1)  # per minute, of an address or a credential
    trusted_proxies: str = ""  # addresses whose X-Forwarded-For counts, with commas
