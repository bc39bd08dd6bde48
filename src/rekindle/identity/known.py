"""What the database said and seldom unsays, remembered: it spares round trips, and lasts while the database is away."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

MOST = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """A value, and whose it is."""

    user_id: UUID
    session_id: UUID | None
    value: V


class Known(Generic[K, V]):
    """Values by key, each of one user, and of one session or none; at most so many, the last used of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._entries: OrderedDict[K, Entry[V]] = OrderedDict()
        self._of_session: dict[UUID, K] = {}

    def find(self, key: K) -> V | None:
        """The value, or None when it is not known."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found.value

    def keep(self, key: K, user_id: UUID, value: V, *, session_id: UUID | None = None) -> None:
        """Remember a value of this user's; of a session it is the only one."""
        self.forget(key)
        if session_id:
            self.forget_session(session_id)
            self._of_session[session_id] = key
        self._entries[key] = Entry(user_id, session_id, value)
        if len(self._entries) > self._most:
            self.forget(next(iter(self._entries)))

    def forget(self, key: K) -> None:
        """Ask anew when it is next wanted."""
        found = self._entries.pop(key, None)
        if found and found.session_id:
            del self._of_session[found.session_id]

    def users(self) -> set[UUID]:
        """Whose values are known."""
        return {entry.user_id for entry in self._entries.values()}

    def sessions(self) -> set[UUID]:
        """Of which sessions values are known."""
        return set(self._of_session)

    def forget_user(self, user_id: UUID) -> None:
        """The user is gone, or somebody else now: so is all that was known of them."""
        for key in [key for key, entry in self._entries.items() if entry.user_id == user_id]:
            self.forget(key)

    def forget_session(self, session_id: UUID) -> None:
        """The session has ended, is gone, or is somebody else's now."""
        if key := self._of_session.get(session_id):
            self.forget(key)
