"""The approval service's environment."""

from typing import Annotated

from pydantic import AfterValidator, DirectoryPath, Field, SecretStr

from placet_contracts.events import MAX_INPUT
from placet_runtime.receipts import Signer
from placet_runtime.settings import Keep, ServiceSettings


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
    max_starts: int = Field(default=512, ge=1)  # that one process works on at a time
    max_starts_bytes: int = Field(default=64 * 1024 * 1024, ge=MAX_INPUT)  # of their bodies
    retention_runs: Keep = None  # with their approvals, after their end
    retention_archive: DirectoryPath | None = None  # where what is deleted is written to before
    max_waiting_runs: int = Field(default=10_000, ge=0)  # that no executor has begun with; 0: no limit
