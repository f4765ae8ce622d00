"""The secrets of an embedded deployment: made once, kept beside its data, readable by its owner alone."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from placet_runtime.receipts import generate_key, public_key


@dataclass(frozen=True, slots=True)
class Secrets:
    """The bootstrap API key, and the key that signs receipts."""

    admin_key: str
    signing_key: str

    @property
    def verify_keys(self) -> str:
        """The public half of the signing key."""
        return public_key(self.signing_key)


def load(folder: Path) -> Secrets:
    """The secrets of a data folder; made if they are not there yet."""
    file = folder / "secrets.json"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Secrets(**json.loads(file.read_text(encoding="utf-8")))
    made = Secrets(admin_key=secrets.token_urlsafe(32), signing_key=generate_key())
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump({"admin_key": made.admin_key, "signing_key": made.signing_key}, out)
    return made
