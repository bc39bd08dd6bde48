"""A person's sessions, out of the house and back in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal
from uuid import UUID, uuid5

from rekindle.database import Database
from rekindle.errors import Forbidden, InvalidRequest, SessionNotFound
from rekindle.identity.service import Caller
from rekindle.sessions.export import store
from rekindle.sessions.export.arriving import Arriving, ArrivingPerson, ArrivingSession, ArrivingThing
from rekindle.sessions.export.formats import WRITERS, Row
from rekindle.sessions.export.pdf import write_pdf

Format = Literal["json", "markdown", "csv", "pdf"]
MEDIA_TYPES: dict[str, str] = {name: writer.media_type for name, writer in WRITERS.items()} | {"pdf": "application/pdf"}
SUFFIXES: dict[str, str] = {name: writer.suffix for name, writer in WRITERS.items()} | {"pdf": "pdf"}

FIRST = UUID(int=0)
SESSIONS_AT_ONCE = 50
MESSAGES_AT_ONCE = 200
USAGE_AT_ONCE = 1_000
MOST_THINGS = 5_000
PIECE_BYTES = 1_000_000
PDF_MESSAGES = 5_000
"""A PDF is set as a whole, in memory: a longer one is asked for session by session."""
Whose = Callable[[Row], Awaitable[UUID]]
"""Tells, and makes if need be, the user of a profile that an export has; empty when it names nobody."""


class _Taken(Exception):  # rolls a transaction back; nobody else sees it
    """A message of this session has an id that another has."""


class Exports:
    """Writes what a person said and was told, some rows at a time, and takes a JSON export back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, caller: Caller, form: Format, *session_ids: UUID) -> AsyncIterator[bytes]:
        """All sessions of the caller's, or these, as the pieces of a file.

        Raises, before the first piece, `SessionNotFound`, `Forbidden` for a token that is good for one session when
        it is not asked for, `InvalidRequest` for a PDF that would be too long, `Unavailable` without the PDF extra.
        """
        if not session_ids and caller.session_id is not None:
            raise Forbidden("This token is good for one session only: ask for that one.")
        # What is wrong is said before the file begins.
        found = await self._sessions(caller, session_ids, limit=max(1, len(session_ids)))
        if session_ids and not (len(found) == len({*session_ids}) and all(map(caller.may_enter, session_ids))):
            raise SessionNotFound
        if form == "pdf":
            return _once(await self._pdf(caller, session_ids))
        return self._pieces(caller, form, session_ids)

    async def bring_in(self, caller: Caller, pieces: AsyncIterator[bytes], *, most_bytes: int) -> tuple[int, int]:
        """Take a JSON export in as it comes, as the caller's: how many sessions, and how many were here already.

        Each session comes in whole or not at all, and those that came stay when what follows cannot be read. What the
        file says was used is not counted. Raises `Forbidden` for a token that is good for one session,
        `InvalidRequest`, `MalformedBody`, `BodyTooLarge`.
        """
        if caller.session_id is not None or caller.level != "verified":
            raise Forbidden("Only who has proven who they are can bring sessions in.")
        async with self._database.transaction(caller.user_id) as connection:
            await store.find_profile(connection, caller.user_id)  # who is gone brings nothing in, not even nothing
        return await self._take(pieces, Arriving(most_bytes), caller.user_id)

    async def bring_back(self, pieces: AsyncIterator[bytes], whose: Whose) -> tuple[int, int]:
        """Take an export in with all that it says, on the operator's word; `whose` tells the user of its profile.

        Each session comes in whole or not at all: how many, and how many were here already. Raises `InvalidRequest`,
        `MalformedBody`, `BodyTooLarge`.
        """
        return await self._take(pieces, Arriving(None), whose)

    async def _take(self, pieces: AsyncIterator[bytes], arriving: Arriving, whose: UUID | Whose) -> tuple[int, int]:
        new = known = 0
        person = ArrivingPerson()
        things: list[ArrivingThing] = []
        user_id = whose if isinstance(whose, UUID) else FIRST
        async for piece in pieces:
            for start in range(0, len(piece), PIECE_BYTES):
                for part in await asyncio.to_thread(list, arriving.feed(piece[start : start + PIECE_BYTES])):
                    match part:
                        case ArrivingPerson():
                            person = part
                            user_id = whose if isinstance(whose, UUID) else await whose(part.user or {})
                        case ArrivingThing():
                            things.append(part)
                            if len(things) > MOST_THINGS:
                                raise InvalidRequest(f"More than {MOST_THINGS:,} things are known by this export.")
                        case ArrivingSession():
                            came = await self._bring_in(user_id, part)
                            new += came
                            known += not came
        arriving.end()
        if person != ArrivingPerson():
            await self._set(user_id, person)
        await self._remember(user_id, things)
        return new, known

    async def _set(self, user_id: UUID, person: ArrivingPerson) -> None:
        """What an export of the operator's says of its person: what was used, and how memory was set."""
        owner = {"user_id": str(user_id)}
        async with self._database.transaction(user_id) as connection:
            for start in range(0, len(person.usage), USAGE_AT_ONCE):
                some = [{**row, **owner} for row in person.usage[start : start + USAGE_AT_ONCE]]
                await store.insert_rows(connection, "usage_daily", some)
            if person.memory_settings:
                await store.insert_rows(connection, "memory_settings", [{**person.memory_settings, **owner}])

    async def _remember(self, user_id: UUID, things: Sequence[ArrivingThing]) -> None:
        """What is known, as far as the sessions that it is from are this user's; what is here already stays."""
        named = {thing.session_id for thing in things if thing.session_id}
        async with self._database.transaction(user_id) as connection:
            wanted = [*named, *(uuid5(user_id, str(session_id)) for session_id in named)]
            own = await store.list_own(connection, "sessions", user_id, wanted)
            rows = {thing.id: row for thing in things if (row := thing.row(user_id, own))}
            if not rows:
                return
            await store.insert_rows(connection, "known_things", rows.values())
            # What has the id of somebody else's is another one here.
            taken = rows.keys() - await store.list_own(connection, "known_things", user_id, rows)
            new_ids = {str(thing_id): str(uuid5(user_id, str(thing_id))) for thing_id in taken}
            renamed = [
                {**rows[thing_id], "id": new_ids[str(thing_id)]}
                | {"superseded_by": new_ids.get(later, later) if (later := rows[thing_id]["superseded_by"]) else None}
                for thing_id in taken
            ]
            if renamed:
                await store.insert_rows(connection, "known_things", renamed)

    async def _bring_in(self, user_id: UUID, session: ArrivingSession) -> bool:
        # An id that is somebody else's is no secret to keep and no reason to refuse: it is another one then.
        for renamed in (False, True):
            row, messages, beside = session.rows(user_id, renamed=renamed)
            try:
                async with self._database.transaction(user_id) as connection:
                    if await store.has_session(connection, user_id, UUID(row["id"])):
                        return False
                    if await store.insert_session_row(connection, row):
                        for start in range(0, len(messages), MESSAGES_AT_ONCE):
                            some = messages[start : start + MESSAGES_AT_ONCE]
                            if await store.insert_rows(connection, "messages", some) < len(some):
                                raise _Taken
                        for table, some in beside.items():
                            await store.insert_rows(connection, table, some)
                        return True
            except _Taken:
                continue
        raise InvalidRequest("This export holds a session twice, or parts of one in another.")

    async def _pieces(self, caller: Caller, form: str, session_ids: Sequence[UUID]) -> AsyncIterator[bytes]:
        writer = WRITERS[form]()
        person = {} if session_ids else await self._person(caller)
        yield writer.head(person).encode()
        async for session in self._each_session(caller, session_ids):
            if session_ids:  # what it tells does not come with it: where it goes, it is read anew
                session["derivation"] = None
            yield writer.session(session).encode()
            async for messages in self._each_messages(caller, UUID(session["id"])):
                yield writer.messages(session, messages).encode()
            yield writer.session_end().encode()
        yield writer.end([] if session_ids else await self._known(caller)).encode()

    async def _pdf(self, caller: Caller, session_ids: Sequence[UUID]) -> bytes:
        sessions: list[tuple[Row, list[Row]]] = []
        count = 0
        async for session in self._each_session(caller, session_ids):
            count += session["last_seq"]
            if count > PDF_MESSAGES:
                raise InvalidRequest(
                    f"A PDF holds at most {PDF_MESSAGES:,} messages. Export session by session, or as Markdown."
                )
            messages = [message async for some in self._each_messages(caller, UUID(session["id"])) for message in some]
            sessions.append((session, messages))
        person = {} if session_ids else await self._person(caller)
        email = (person.get("user") or {}).get("email")
        title = f"Conversations of {email}" if email else "Conversations"
        return await asyncio.to_thread(write_pdf, title, sessions)

    async def _person(self, caller: Caller) -> Row:
        async with self._database.transaction(caller.user_id) as connection:
            return {
                "user": await store.find_profile(connection, caller.user_id),
                "usage": await store.list_usage(connection, caller.user_id),
                "memory_settings": await store.find_memory_settings(connection, caller.user_id),
            }

    async def _known(self, caller: Caller) -> list[Row]:
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_known(connection, caller.user_id)

    async def _sessions(
        self, caller: Caller, session_ids: Sequence[UUID], *, after: UUID = FIRST, limit: int = SESSIONS_AT_ONCE
    ) -> list[Row]:
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_session_rows(connection, caller.user_id, only=session_ids, after=after, limit=limit)

    async def _each_session(self, caller: Caller, session_ids: Sequence[UUID]) -> AsyncIterator[Row]:
        # No connection is held between pages: a slow reader holds nothing but its own page.
        after = FIRST
        while sessions := await self._sessions(caller, session_ids, after=after):
            for session in sessions:
                yield session
            after = UUID(sessions[-1]["id"])

    async def _each_messages(self, caller: Caller, session_id: UUID) -> AsyncIterator[list[Row]]:
        after = 0
        while True:
            async with self._database.transaction(caller.user_id) as connection:
                messages = await store.list_message_rows(connection, session_id, after=after, limit=MESSAGES_AT_ONCE)
            if not messages:
                return
            yield messages
            after = messages[-1]["seq"]


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
