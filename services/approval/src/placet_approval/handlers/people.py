"""Who is behind actors."""

from collections.abc import Mapping, Sequence

from placet_approval.policy.people import Person
from placet_runtime.postgres import Connection


async def known(conn: Connection, actors: Sequence[str]) -> Mapping[str, Person]:
    """The people whom the deployment knows, by actor: none, as it keeps no users."""
    return {}
