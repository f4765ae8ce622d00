"""The notifier's environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath, SecretStr

from placet_contracts.destinations import WebUrl
from placet_notifier.channels import email, webhook
from placet_runtime.settings import Duration, Keep, ServiceSettings

_ENOUGH = timedelta(milliseconds=1)


def _without_slash(url: str) -> str:
    return url.rstrip("/")


def _smtp_url(url: SecretStr) -> SecretStr:
    email.Server.parse(url.get_secret_value())
    return url


def _sender(text: str) -> str:
    email.parse_sender(text)
    return text


def _webhook_secret(secret: SecretStr) -> SecretStr:
    webhook.signer(secret.get_secret_value())
    return secret


class Settings(ServiceSettings):
    """A channel without its setting is off: deliveries to it fail at once, and say which setting is missing."""

    port: int = 8702
    public_url: Annotated[WebUrl, AfterValidator(_without_slash)] = "http://localhost:8700"  # of the inbox

    # smtp://user:password@host:587?starttls=required, smtps://host:465, smtp://localhost:1025
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    smtp_ca: FilePath | None = None  # certificates to trust instead of the system's
    mail_from: Annotated[str, AfterValidator(_sender)] = "Placet <placet@localhost>"

    slack_token: SecretStr | None = None
    slack_base_url: WebUrl = "https://slack.com/api/"

    webhook_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = (
        None  # whsec_..., as Standard Webhooks has it
    )
    webhook_allow_private: bool = False  # let webhooks reach addresses that are not public

    delivery_tries: int = Field(default=12, ge=1, le=100)
    delivery_backoff: Duration = Field(default=timedelta(seconds=5), ge=_ENOUGH)  # doubles with each try, to 15 min
    delivery_timeout: Duration = Field(default=timedelta(seconds=30), ge=_ENOUGH)  # of one send
    delivery_concurrency: int = Field(default=32, ge=1, le=1000)
    retention_deliveries: Keep = timedelta(days=30)  # from their beginning, once they have ended
    drain: Duration = timedelta(seconds=10)  # that sends under way get to finish at SIGTERM
