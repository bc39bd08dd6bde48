"""What the database said and seldom unsays, remembered: it spares round trips, and lasts while the database is away."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar
from uuid import UUID

MOST = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Known(Generic[K, V]):
    """Values by key, each of one user; at most so many, the last used of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: OrderedDict[K, tuple[UUID, V]] = OrderedDict()

    def find(self, key: K) -> V | None:
        """The value, or None when it is not known."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[1]

    def keep(self, key: K, user_id: UUID, value: V) -> None:
        """Remember a value of this user's."""
        self._values[key] = (user_id, value)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        """Ask anew when it is next wanted."""
        self._values.pop(key, None)

    def users(self) -> set[UUID]:
        """Whose values are known."""
        return {owner for owner, _ in self._values.values()}

    def forget_user(self, user_id: UUID) -> None:
        """The user is gone, or somebody else now: so is all that was known of them."""
        for key in [key for key, (owner, _) in self._values.items() if owner == user_id]:
            del self._values[key]
