"""The approval service's environment."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, DirectoryPath, Field, SecretStr, model_validator

from placet_approval.domain import Role
from placet_contracts.events import MAX_INPUT
from placet_runtime.receipts import Signer
from placet_runtime.settings import Duration, Keep, ServiceSettings


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
    session_idle: Duration = timedelta(hours=8)
    session_lifetime: Duration = timedelta(days=7)
    undo_seconds: float = Field(default=5, ge=0, le=60)  # for which a decision in the web app can be undone; 0: never
    failed_attempts: int = Field(default=30, ge=1)  # per minute, of an address or a credential
    trusted_proxies: str = ""  # addresses whose X-Forwarded-For counts, with commas

    oidc_issuer: str | None = None  # none: login links only
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None  # none: a public client
    oidc_name: str = "single sign-on"
    oidc_scope: str = "openid email profile"
    oidc_new_users: bool = False  # let in whom nobody knows yet
    oidc_new_user_roles: tuple[Role, ...] = ("viewer",)
    oidc_groups_claim: str = "groups"
    oidc_groups: dict[str, str] = {}  # noqa: RUF012 -- by name at the provider

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("PLACET_OIDC_ISSUER and PLACET_OIDC_CLIENT_ID go together")
        return self
