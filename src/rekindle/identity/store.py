"""SQL of users: their codes and revoked tokens, whom hosts know, the audit log."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow


@dataclass(frozen=True, slots=True)
class User(FromRow):
    """A person who chats. `email` is None for the anonymous."""

    id: UUID
    email: str | None
    phone: str | None
    metadata: dict[str, Any]
    verified_at: datetime | None
    created_at: datetime

    @property
    def name(self) -> str | None:
        """The name they gave when they first came."""
        return self.metadata.get("name")


async def insert_user(
    connection: Connection, user_id: UUID, email: str | None, phone: str | None, metadata: dict[str, Any]
) -> User | None:
    """The new user, or None when the address is taken: a claim never overwrites a profile."""
    cursor = await connection.execute(
        """
        INSERT INTO users (id, email, phone, metadata) VALUES (%s, %s, %s, %s)
        ON CONFLICT (email) DO NOTHING RETURNING *
        """,
        (user_id, email, phone, Jsonb(metadata)),
    )
    row = await cursor.fetchone()
    return User.from_row(row) if row else None


async def find_user_by_email(connection: Connection, email: str) -> User | None:
    cursor = await connection.execute("SELECT * FROM users WHERE email = %s", (email,))
    row = await cursor.fetchone()
    return User.from_row(row) if row else None


async def find_user(connection: Connection, user_id: UUID) -> User | None:
    cursor = await connection.execute("SELECT * FROM users WHERE id = %s", (user_id,))
    row = await cursor.fetchone()
    return User.from_row(row) if row else None


async def update_verified(connection: Connection, user_id: UUID) -> None:
    await connection.execute(
        "UPDATE users SET verified_at = coalesce(verified_at, now()), updated_at = now() WHERE id = %s",
        (user_id,),
    )


@dataclass(frozen=True, slots=True)
class Revocation:
    """One token that holds no more; or, with `issued_until`, all of the user `token` issued until then."""

    token: UUID
    issued_until: float | None
    expires_at: float


async def upsert_revocation(connection: Connection, user_id: UUID, revocation: Revocation) -> None:
    await connection.execute(
        """
        WITH expired AS (DELETE FROM revocations r WHERE r.user_id = %(user)s AND r.expires_at < now())
        INSERT INTO revocations AS r (token, user_id, issued_until, expires_at)
        VALUES (%(token)s, %(user)s, %(until)s, to_timestamp(least(%(expires)s, 253402300799)))
        ON CONFLICT (token) DO UPDATE SET issued_until = greatest(r.issued_until, excluded.issued_until),
            expires_at = greatest(r.expires_at, excluded.expires_at), changed_at = clock_timestamp()
        """,
        {
            "user": user_id,
            "token": revocation.token,
            "until": revocation.issued_until,
            "expires": revocation.expires_at,
        },
    )


async def list_revocations(
    connection: Connection, since: datetime | None, overlap_seconds: float
) -> tuple[list[Revocation], datetime]:
    """What was revoked since a moment, or all that is; and the moment to go on from."""
    cursor = await connection.execute(
        """
        SELECT now() AS at, r.token, r.issued_until, extract(epoch FROM r.expires_at)::double precision AS expires
        FROM (SELECT) one LEFT JOIN revocations r ON r.expires_at > now()
            AND (%(since)s::timestamptz IS NULL OR r.changed_at > %(since)s - make_interval(secs => %(overlap)s))
        """,
        {"since": since, "overlap": overlap_seconds},
    )
    rows = await cursor.fetchall()
    found = [Revocation(row["token"], row["issued_until"], row["expires"]) for row in rows if row["token"]]
    return found, rows[0]["at"]


async def delete_expired_codes(connection: Connection) -> None:
    await connection.execute("DELETE FROM email_codes WHERE expires_at < now()")


async def upsert_code(connection: Connection, address: bytes, code: bytes, good_for: timedelta) -> None:
    await connection.execute(
        """
        INSERT INTO email_codes (address, code, expires_at) VALUES (%s, %s, now() + %s)
        ON CONFLICT (address) DO UPDATE SET code = excluded.code, tries = 0, expires_at = excluded.expires_at
        """,
        (address, code, good_for),
    )


async def update_code_tried(connection: Connection, address: bytes, tries: int) -> bytes | None:
    """The digest of the address's live code, whose try is counted; None when it has none."""
    cursor = await connection.execute(
        """
        UPDATE email_codes SET tries = tries + 1 WHERE address = %s AND tries < %s AND expires_at > now()
        RETURNING code
        """,
        (address, tries),
    )
    row = await cursor.fetchone()
    return row["code"] if row else None


async def delete_code(connection: Connection, address: bytes, code: bytes) -> bool:
    """Use the code up; False when somebody just did."""
    cursor = await connection.execute(
        "DELETE FROM email_codes WHERE address = %s AND code = %s RETURNING address", (address, code)
    )
    return await cursor.fetchone() is not None


async def host_user(
    connection: Connection,
    *,
    issuer: str,
    subject: str,
    email: str | None,
    name: str | None,
    new_id: UUID,
    issued_at: datetime,
) -> UUID | None:
    """The user a host's subject is, made at first sight; None when they were erased after the token was issued."""
    cursor = await connection.execute(
        "SELECT host_user(%s, %s, %s, %s, %s, %s) AS id", (issuer, subject, email, name, new_id, issued_at)
    )
    row = await cursor.fetchone()
    return row["id"] if row else None


async def adopt_session(connection: Connection, visitor: UUID, account: UUID, session_id: UUID) -> bool:
    """Give a visitor's session to an account, with all that belongs to it; False while an answer is being written."""
    cursor = await connection.execute("SELECT adopt_session(%s, %s, %s) AS adopted", (visitor, account, session_id))
    row = await cursor.fetchone()
    return bool(row and row["adopted"])


async def list_present(connection: Connection, user_ids: Collection[UUID]) -> set[UUID]:
    """Those of these users who are here."""
    cursor = await connection.execute("SELECT id FROM users WHERE id = ANY(%s)", (list(user_ids),))
    return {row["id"] for row in await cursor.fetchall()}


async def list_open_sessions(connection: Connection, session_ids: Collection[UUID]) -> set[UUID]:
    """Those of these sessions that are here and have not ended."""
    cursor = await connection.execute(
        "SELECT id FROM sessions WHERE id = ANY(%s) AND ended_at IS NULL", (list(session_ids),)
    )
    return {row["id"] for row in await cursor.fetchall()}


async def list_users(connection: Connection, *, email: str | None, before: UUID | None, limit: int) -> list[User]:
    """Users, newest first, after the one that `before` names."""
    cursor = await connection.execute(
        """
        SELECT * FROM users
        WHERE (%(email)s::text IS NULL OR email = %(email)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"email": email, "before": before, "limit": limit},
    )
    return [User.from_row(row) for row in await cursor.fetchall()]


async def count_users(connection: Connection, *, email: str | None, most: int) -> int:
    """How many users there are, or that have this address; counted up to `most`."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS n FROM (
            SELECT FROM users WHERE %(email)s::text IS NULL OR email = %(email)s LIMIT %(most)s) found
        """,
        {"email": email, "most": most},
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def count_audit(connection: Connection, *, subject_id: UUID | None, most: int) -> int:
    """How many entries the log has, or has of one person's data; counted up to `most`."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS n FROM (
            SELECT FROM audit_log l WHERE %(subject)s::uuid IS NULL OR l.subject IN (
                SELECT p.reference FROM audit_people p WHERE p.user_id = %(subject)s) LIMIT %(most)s) found
        """,
        {"subject": subject_id, "most": most},
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


@dataclass(frozen=True, slots=True)
class AuditEntry(FromRow):
    """Something an administrator looked at. A person who was erased since is None; `of_somebody` says there was one."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor_email: str | None
    action: str
    subject_id: UUID | None
    subject_email: str | None
    of_somebody: bool
    detail: dict[str, Any]


async def insert_audit(
    connection: Connection,
    entries: Sequence[UUID],
    actor_id: UUID,
    action: str,
    subjects: Sequence[UUID | None],
    detail: dict[str, Any],
) -> None:
    """One row for each id in `entries`; those of `subjects` say whose data it was."""
    await connection.execute(
        "SELECT audit(%s::uuid[], %s, %s, %s::uuid[], %s)",
        (list(entries), actor_id, action, list(subjects), Jsonb(detail)),
    )


async def list_audit(
    connection: Connection, *, subject_id: UUID | None, before: UUID | None, limit: int
) -> list[AuditEntry]:
    """The log, newest first; of one person's data if `subject_id` is given."""
    cursor = await connection.execute(
        """
        SELECT l.id, l.at, l.action, l.detail, l.subject IS NOT NULL AS of_somebody,
               actor.id AS actor_id, actor.email AS actor_email, whose.id AS subject_id, whose.email AS subject_email
        FROM audit_log l
        LEFT JOIN audit_people a ON a.reference = l.actor LEFT JOIN users actor ON actor.id = a.user_id
        LEFT JOIN audit_people s ON s.reference = l.subject LEFT JOIN users whose ON whose.id = s.user_id
        WHERE (%(before)s::uuid IS NULL OR l.id < %(before)s)
          AND (%(subject)s::uuid IS NULL OR l.subject IN (
              SELECT p.reference FROM audit_people p WHERE p.user_id = %(subject)s))
        ORDER BY l.id DESC LIMIT %(limit)s
        """,
        {"subject": subject_id, "before": before, "limit": limit},
    )
    return [AuditEntry.from_row(row) for row in await cursor.fetchall()]
