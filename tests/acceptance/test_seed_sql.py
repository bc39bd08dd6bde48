"""Every SQL statement that the seeds print, run as it stands on the one set of tables, as whoever may run it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse

# Seed 003, "Database Service Methods Needed"; %s are its own.
CREATE_SESSION = """
        INSERT INTO chat_sessions (session_id, user_id, metadata)
        VALUES (%s, %s, %s)
        ON CONFLICT (session_id) DO NOTHING
    """
ADD_MESSAGE = """
        INSERT INTO chat_messages (session_id, role, content, metadata)
        VALUES (%s, %s, %s, %s)
    """
UPDATE_SESSION = """
        UPDATE chat_sessions
        SET last_message_at = NOW()
        WHERE session_id = %s
    """
GET_MESSAGES = """
        SELECT role, content, created_at, metadata
        FROM chat_messages
        WHERE session_id = %s
        ORDER BY created_at DESC
        LIMIT %s
    """

# Seed 000, "Database state after tests", and seed 004, "Querying Sessions".
QUERIES: tuple[LiteralString, ...] = (
    "SELECT COUNT(*) FROM users;",
    "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL;",
    "SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL;",
    "SELECT COUNT(*) FROM messages;",
    "SELECT COUNT(*) FROM session_summaries;",
    "SELECT COUNT(*) FROM documents;",
    "SELECT COUNT(*) FROM chunks WHERE embedding IS NOT NULL;",
    "SELECT COUNT(*) FROM links;",
    "SELECT COUNT(*) FROM courses;",
    "SELECT COUNT(*) FROM price_individual;",
    "SELECT COUNT(*) FROM price_group;",
    """
    SELECT * FROM conversations
    WHERE thread_id = 'user-abc123'
    ORDER BY created_at DESC;
    """,
    """
    SELECT user_id, COUNT(*) as message_count
    FROM conversations
    GROUP BY user_id
    ORDER BY message_count DESC;
    """,
    """
    SELECT DISTINCT user_id, thread_id, MAX(created_at) as last_active
    FROM conversations
    WHERE created_at > NOW() - INTERVAL '24 hours'
    GROUP BY user_id, thread_id
    ORDER BY last_active DESC;
    """,
    """
    SELECT user_id, total_tokens
    FROM user_usage
    ORDER BY total_tokens DESC
    LIMIT 10;
    """,
)
VIEWS = (
    "conversation_sessions",
    "conversation_messages",
    "user_sessions",
    "user_interactions",
    "chat_sessions",
    "chat_messages",
    "conversations",
)

# As printed: `CREATE TABLE` of seeds 000, 001, 003 and 004; seed 002's models, one column a line.
TABLES = """
CREATE TABLE users (
    id UUID PRIMARY KEY,
    email TEXT UNIQUE,          -- Used for matching returning users
    phone TEXT,
    metadata JSONB,             -- Stores name and other info
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ
);
CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID REFERENCES users,
    cookie_sid TEXT UNIQUE,     -- API session ID
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,       -- NULL = active
    last_seen_at TIMESTAMPTZ,
    state JSONB,                -- Full session state
    metadata JSONB
);
CREATE TABLE messages (
    id UUID PRIMARY KEY,
    session_id UUID REFERENCES sessions,
    role TEXT,                  -- 'user' or 'assistant'
    content JSONB,
    created_at TIMESTAMPTZ
);
CREATE TABLE session_summaries (
    session_id UUID PRIMARY KEY REFERENCES sessions,
    summary TEXT NOT NULL,      -- LLM-generated summary
    embedding vector(1536),     -- For semantic search
    metadata JSONB,
    created_at TIMESTAMPTZ
);
CREATE TABLE conversation_sessions (
    id INTEGER PRIMARY KEY,
    session_id VARCHAR(36) UNIQUE NOT NULL,
    user_id INTEGER NOT NULL,
    title VARCHAR(255),
    description TEXT,
    context_data JSON,
    session_metadata JSON,
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_activity_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE TABLE conversation_messages (
    id INTEGER PRIMARY KEY,
    session_id VARCHAR(36) NOT NULL,
    role VARCHAR(20) NOT NULL,
    content TEXT NOT NULL,
    tools_used JSON,
    processing_time_ms INTEGER,
    token_count INTEGER,
    has_error BOOLEAN DEFAULT FALSE,
    error_message TEXT,
    message_metadata JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (session_id) REFERENCES conversation_sessions(session_id)
);
CREATE TABLE user_sessions (
    id INTEGER,
    user_id INTEGER,
    session_start TIMESTAMP,
    session_end TIMESTAMP,
    context_summary TEXT
);
CREATE TABLE user_interactions (
    id INTEGER,
    session_id INTEGER,
    user_question TEXT,
    ai_response TEXT,
    context_used JSON,
    created_at TIMESTAMP,
    interaction_metadata JSON
);
CREATE TABLE chat_sessions (
    session_id UUID PRIMARY KEY,
    user_id INTEGER REFERENCES users(id),  -- Optional: link to user account
    created_at TIMESTAMP DEFAULT NOW(),
    last_message_at TIMESTAMP DEFAULT NOW(),
    metadata JSONB,  -- Store: language, course_id, etc.
    is_active BOOLEAN DEFAULT TRUE
);
CREATE TABLE chat_messages (
    id SERIAL PRIMARY KEY,
    session_id UUID REFERENCES chat_sessions(session_id) ON DELETE CASCADE,
    role VARCHAR(20) NOT NULL,  -- 'user' or 'assistant'
    content TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT NOW(),
    metadata JSONB  -- Store: route, confidence, sources, etc.
);
CREATE TABLE conversations (
    id SERIAL PRIMARY KEY,
    user_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);
CREATE TABLE user_usage (
    user_id TEXT PRIMARY KEY,
    total_tokens INTEGER DEFAULT 0,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);
"""
INDEXES = """
CREATE INDEX idx_sessions_user ON chat_sessions(user_id);
CREATE INDEX idx_sessions_last_message ON chat_sessions(last_message_at);
CREATE INDEX idx_messages_session ON chat_messages(session_id, created_at);
"""
ANSWERS_TO = {
    "UUID": {"uuid"},
    "TEXT": {"text"},
    "VARCHAR": {"text"},
    "JSON": {"jsonb"},
    "JSONB": {"jsonb"},
    "TIMESTAMP": {"timestamp with time zone"},  # so that NOW() compares rightly whatever the client's time zone
    "TIMESTAMPTZ": {"timestamp with time zone"},
    "BOOLEAN": {"boolean"},
    "INTEGER": {"integer", "bigint"},
    "VECTOR": {"USER-DEFINED"},
}
IDS = {"id", "user_id", "session_id"}
"""Numbers in some seeds; here an id is a UUID wherever it is an id, as in seed 000."""


def printed_columns() -> Iterator[tuple[str, str, str]]:
    for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", TABLES, re.DOTALL):
        for name, kind in re.findall(r"^    ([a-z_]+) (\w+)", body, re.MULTILINE):
            yield table, name, kind.upper()


@dataclass
class Runner:
    """Runs statements as somebody: the database's owner, the server without a user, or one user."""

    conninfo: str
    role: str
    user: UUID

    @contextmanager
    def open(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.conninfo) as connection:
            if self.role == "system":
                connection.execute("SELECT become_system()")
            elif self.role == "user":
                connection.execute("SELECT become_user(%s)", (self.user,))
            yield connection


@pytest.fixture(params=["owner", "system", "user"])
def runner(request: pytest.FixtureRequest, conninfo: str, caller: Caller) -> Runner:
    return Runner(conninfo, request.param, caller.user_id)


class DatabaseService:
    """Seed 003's, around the statements it prints."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def create_session(self, session_id: str, user_id: Any = None, metadata: dict[str, Any] | None = None) -> None:
        self.connection.execute(CREATE_SESSION, (session_id, user_id, json.dumps(metadata or {})))

    def add_message(self, session_id: str, role: str, content: str, metadata: dict[str, Any] | None = None) -> None:
        self.connection.execute(ADD_MESSAGE, (session_id, role, content, json.dumps(metadata or {})))
        self.connection.execute(UPDATE_SESSION, (session_id,))

    def get_session_messages(self, session_id: str, limit: int = 20) -> list[dict[str, Any]]:
        rows = self.connection.execute(GET_MESSAGES, (session_id, limit)).fetchall()
        return [
            {"role": row[0], "content": row[1], "created_at": row[2].isoformat(), "metadata": row[3]}
            for row in reversed(rows)  # Return chronological order
        ]


def test_a_database_service_runs_as_printed(runner: Runner) -> None:
    session_id = str(uuid4())
    with runner.open() as connection:
        service = DatabaseService(connection)
        service.create_session(session_id, metadata={"language": "en"})
        service.create_session(session_id, metadata={"language": "de"})
        for number in range(30):
            service.add_message(session_id, "user" if number % 2 == 0 else "assistant", f"message {number}")
        service.add_message(session_id, "user", "the last", {"route": "rag"})
        found = service.get_session_messages(session_id)
        [session] = connection.execute(
            "SELECT metadata, is_active FROM chat_sessions WHERE session_id = %s", (session_id,)
        ).fetchall()
    assert [m["content"] for m in found] == [f"message {n}" for n in range(11, 30)] + ["the last"]
    assert found[-1]["metadata"] == {"route": "rag"}
    assert session == ({"language": "en"}, True)


def test_a_session_may_be_given_to_a_user(runner: Runner, caller: Caller) -> None:
    session_id = str(uuid4())
    with runner.open() as connection:
        DatabaseService(connection).create_session(session_id, caller.user_id)
        assert connection.execute(
            "SELECT s.user_id FROM chat_sessions s JOIN users u ON u.id = s.user_id WHERE session_id = %s",
            (session_id,),
        ).fetchone() == (caller.user_id,)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_as_printed(runner: Runner, query: LiteralString) -> None:
    with runner.open() as connection:
        connection.execute(query).fetchall()


@pytest.mark.parametrize(("table", "name", "kind"), list(printed_columns()))
def test_a_column_is_there_as_printed(conninfo: str, table: str, name: str, kind: str) -> None:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
            (table, name),
        ).fetchone()
    assert row, f"{table}.{name} is missing"
    assert row[0] in ({"uuid", "text"} if name in IDS else ANSWERS_TO[kind])


def test_what_is_indexed_is_there(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        for table, columns in re.findall(r"ON (\w+)\(([^)]+)\)", INDEXES):
            connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns} LIMIT 1")


@pytest.fixture
async def turn(open_a_house: OpenHouse, caller: Caller) -> dict[str, Any]:
    """One turn of a user, said at door 004's thread: its session's id, question and answer."""
    house: House = await open_a_house(work=False)
    thread = f"user-{caller.user_id}"
    session = await house.sessions.thread(caller, thread)
    turn = await house.conversation.say(caller, session, "My PS5 broke", metadata={"page": "home"})
    reply = await house.conversation.outcome(caller, turn.id)
    return {"session": session, "turn": turn.id, "answer": reply.content, "thread": thread}


def rows(connection: psycopg.Connection[Any], query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    return connection.execute(query, arguments).fetchall()


async def test_a_turn_shows_in_every_view(runner: Runner, caller: Caller, turn: dict[str, Any]) -> None:
    session, text = turn["session"], str(turn["session"])
    said = [("user", "My PS5 broke"), ("assistant", turn["answer"])]
    with runner.open() as database:
        assert (
            rows(
                database,
                "SELECT role, content FROM conversations WHERE thread_id = %s ORDER BY created_at",
                turn["thread"],
            )
            == said
        )
        assert (
            rows(database, "SELECT role, content FROM chat_messages WHERE session_id = %s ORDER BY created_at", session)
            == said
        )
        assert rows(
            database,
            "SELECT role, content, has_error FROM conversation_messages WHERE session_id = %s ORDER BY created_at",
            text,
        ) == [(*one, False) for one in said]
        assert rows(
            database,
            "SELECT id, user_question, ai_response, interaction_metadata FROM user_interactions WHERE session_id = %s",
            session,
        ) == [(turn["turn"], "My PS5 broke", turn["answer"], {"page": "home"})]
        assert rows(database, "SELECT user_id, session_end FROM user_sessions WHERE id = %s", session) == [
            (caller.user_id, None)
        ]
        assert rows(database, "SELECT id, is_active FROM conversation_sessions WHERE session_id = %s", text) == [
            (session, True)
        ]
        assert rows(database, "SELECT user_id FROM chat_sessions WHERE session_id = %s", session) == [(caller.user_id,)]


async def test_nobody_elses_rows_show_or_change_through_a_view(
    conninfo: str, turn: dict[str, Any], open_a_house: OpenHouse, caller: Caller
) -> None:
    house: House = await open_a_house(work=False)
    other = (await house.identity.recognise(None)).user.id
    session = turn["session"]
    with Runner(conninfo, "user", other).open() as database:
        for view in VIEWS:
            assert rows(database, f"SELECT count(*) FROM {view}") == [(0,)]
        assert database.execute(UPDATE_SESSION, (session,)).rowcount == 0
        assert database.execute("DELETE FROM chat_sessions WHERE session_id = %s", (session,)).rowcount == 0
        for statement, arguments in (
            (ADD_MESSAGE, (session, "user", "Let me in.", "{}")),
            (CREATE_SESSION, (uuid4(), caller.user_id, "{}")),
        ):
            with pytest.raises((psycopg.errors.ForeignKeyViolation, psycopg.errors.InsufficientPrivilege)):  # noqa: SIM117
                with database.transaction():
                    database.execute(statement, arguments)
    assert len(await house.sessions.messages.of(caller, session)) == 2


async def test_what_the_printed_tables_refuse_is_refused(
    conninfo: str, open_a_house: OpenHouse, caller: Caller, turn: dict[str, Any]
) -> None:
    refused: tuple[tuple[type[Exception], tuple[Any, ...]], ...] = (
        (psycopg.errors.ForeignKeyViolation, (uuid4(), "user", "Hello?", "{}")),
        (psycopg.errors.CheckViolation, (turn["session"], "system", "Hello?", "{}")),
        (psycopg.errors.NotNullViolation, (turn["session"], "user", None, "{}")),
        (psycopg.errors.NotNullViolation, (turn["session"], None, "Hello?", "{}")),
    )
    with Runner(conninfo, "user", caller.user_id).open() as database:
        for error, arguments in refused:
            with pytest.raises(error), database.transaction():
                database.execute(ADD_MESSAGE, arguments)
    house: House = await open_a_house(work=False)
    assert [m.seq for m in await house.sessions.messages.of(caller, turn["session"])] == [1, 2]
