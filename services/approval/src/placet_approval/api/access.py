"""Who calls: API keys from the store, and the bootstrap key from the environment."""

import secrets
from dataclasses import dataclass

from placet_approval.domain import Caller
from placet_approval.identity import BOOTSTRAP
from placet_runtime.batching import Batcher

_BOOTSTRAP = Caller(f"key:{BOOTSTRAP}", frozenset({"admin"}), bootstrap=True)


@dataclass(frozen=True, slots=True)
class Access:
    """Identifies callers; ``keys`` looks stored keys up, many at a time, anew for each request."""

    keys: Batcher[str, Caller | None]
    admin_key: str | None
    max_body: int

    async def identify(self, authorization: str | None) -> Caller | None:
        """Whose request this is, by its Authorization header; ``None`` if nobody's."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            return None
        if self.admin_key is not None and secrets.compare_digest(key.encode(), self.admin_key.encode()):
            return _BOOTSTRAP
        return await self.keys.submit(key)
