"""The doors' tables as views over ours, so that their SQL runs as it stands; what doors keep of a session."""

from rekindle.migrations import run, scalar

revision = "0005"
down_revision = "0004"

ASIDE = "rekindle_set_aside_doors"

SESSIONS = """
ALTER TABLE sessions ADD COLUMN lasting boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sessions.lasting IS 'Goes on until it is ended or its user logs out: never ended for idleness.';
ALTER TABLE sessions ADD COLUMN titled_at timestamptz;
COMMENT ON COLUMN sessions.titled_at IS 'When it was named; null while its title is but how it began.';
ALTER TABLE sessions ADD COLUMN arrived_at timestamptz;
COMMENT ON COLUMN sessions.arrived_at IS 'When it was brought in, however old its talk; null for others.';
-- What has a title counts as named: no title that somebody gave is written over.
UPDATE sessions SET titled_at = now() WHERE title IS NOT NULL;

-- None of these holds a column that a turn changes.
CREATE INDEX sessions_current ON sessions (user_id, id) WHERE lasting AND ended_at IS NULL;
CREATE INDEX sessions_untitled ON sessions (id) WHERE titled_at IS NULL;
CREATE INDEX sessions_text_id ON sessions ((id::text));
CREATE INDEX sessions_thread_id ON sessions ((coalesce(thread, id::text)));

-- Door 003 makes sessions by SQL that knows neither our assistants nor that each session is somebody's.
ALTER TABLE sessions ALTER assistant SET DEFAULT 'assistant';

CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION give_session_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A session that is there keeps its owner: the insert goes on to its ON CONFLICT.
    NEW.user_id := coalesce((SELECT s.user_id FROM sessions s WHERE s.id = NEW.id), current_user_id());
    IF NEW.user_id IS NULL THEN
        NEW.user_id := uuid7();
        INSERT INTO users (id) VALUES (NEW.user_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_owner BEFORE INSERT ON sessions
    FOR EACH ROW WHEN (NEW.user_id IS NULL) EXECUTE FUNCTION give_session_an_owner();
"""

ADD_MESSAGE = """
-- One message said elsewhere, added as it is: no reply is begun. A session that had ended goes on.
CREATE FUNCTION add_message(
    p_session uuid, p_message uuid, p_role text, p_content text, p_metadata jsonb, p_said_at timestamptz,
    p_tools jsonb, p_milliseconds integer, p_tokens integer, p_error text,
    OUT outcome text, OUT owner_id uuid, OUT message_seq integer, OUT said_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    session sessions;
BEGIN
    SELECT * INTO session FROM sessions WHERE id = p_session FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'missing';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM messages m
               WHERE m.session_id = p_session AND m.seq = session.last_seq AND m.status = 'running') THEN
        outcome := 'busy';
        RETURN;
    END IF;
    said_at := coalesce(p_said_at, clock_timestamp());
    message_seq := session.last_seq + 1;
    owner_id := session.user_id;
    INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, completed_at, metadata,
                          tools_used, processing_time_ms, output_tokens, error_code, error_message)
    VALUES (p_session, message_seq, p_message, owner_id, p_role, to_jsonb(p_content),
            CASE WHEN p_error IS NULL THEN 'complete' ELSE 'failed' END, said_at, said_at, coalesce(p_metadata, '{}'),
            p_tools, p_milliseconds, p_tokens, CASE WHEN p_error IS NOT NULL THEN 'reported' END, p_error);
    UPDATE sessions SET last_seq = message_seq, last_seen_at = greatest(last_seen_at, said_at), ended_at = NULL
    WHERE id = p_session;
    outcome := 'added';
END $$;
"""

SEQ_AT = """
-- How far a session was at a moment: its messages are dated in their order, so it is found by halves.
CREATE FUNCTION seq_at(p_session uuid, p_last_seq integer, p_moment timestamptz) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low integer := 0;
    high integer := p_last_seq;
    middle integer;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF EXISTS (SELECT FROM messages m
                   WHERE m.session_id = p_session AND m.seq = middle AND m.created_at <= p_moment) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
"""

# A turn stores the question and the row of its reply in one moment; a reader by time has the reply come after it.
SAID_AT = """CASE m.role WHEN 'assistant' THEN greatest(m.completed_at, m.created_at + interval '1 microsecond')
         ELSE m.created_at END"""

VIEWS = {
    "conversation_sessions": """
        SELECT s.id, s.id::text AS session_id, s.user_id, s.title, s.state ->> 'description' AS description,
            s.state -> 'context_data' AS context_data, s.metadata AS session_metadata,
            s.ended_at IS NULL AS is_active, s.started_at AS created_at, s.last_seen_at AS last_activity_at
        FROM sessions s
        """,
    "conversation_messages": f"""
        SELECT m.id, s.id::text AS session_id, m.role, m.content #>> '{{}}' AS content, m.tools_used,
            m.processing_time_ms, m.output_tokens AS token_count, m.error_code IS NOT NULL AS has_error,
            m.error_message, m.metadata AS message_metadata, {SAID_AT} AS created_at
        FROM sessions s JOIN messages m ON m.session_id = s.id
        WHERE m.status <> 'running'
        """,
    "user_sessions": """
        SELECT s.id, s.user_id, s.started_at AS session_start, s.ended_at AS session_end,
            coalesce(s.state ->> 'context_summary', y.summary) AS context_summary
        FROM sessions s LEFT JOIN session_summaries y ON y.session_id = s.id
        """,
    "user_interactions": """
        SELECT m.id, m.session_id, u.content #>> '{}' AS user_question, m.content #>> '{}' AS ai_response,
            m.context_used, u.created_at, u.metadata || m.metadata AS interaction_metadata
        FROM messages m JOIN messages u ON u.session_id = m.session_id AND u.seq = m.seq - 1 AND u.role = 'user'
        WHERE m.role = 'assistant' AND m.status <> 'running'
        """,
    # Over one table, plainly: so PostgreSQL itself passes INSERT … ON CONFLICT, UPDATE and DELETE on to it.
    "chat_sessions": """
        SELECT s.id AS session_id, s.user_id, s.started_at AS created_at, s.last_seen_at AS last_message_at, s.metadata,
            s.ended_at IS NULL AS is_active
        FROM sessions s
        """,
    "chat_messages": f"""
        SELECT m.id, m.session_id, m.role, m.content #>> '{{}}' AS content, {SAID_AT} AS created_at, m.metadata
        FROM messages m
        WHERE m.status <> 'running'
        """,
    "conversations": f"""
        SELECT m.id, s.user_id::text AS user_id, coalesce(s.thread, s.id::text) AS thread_id, m.role,
            m.content #>> '{{}}' AS content, {SAID_AT} AS created_at
        FROM sessions s JOIN messages m ON m.session_id = s.id
        WHERE m.status <> 'running'
        """,
}
WRITTEN = {"chat_sessions": "INSERT, UPDATE, DELETE", "chat_messages": "INSERT"}

CHAT_MESSAGES = """
CREATE FUNCTION insert_chat_message() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    added record;
BEGIN
    NEW.id := coalesce(NEW.id, uuid7());
    SELECT * INTO added FROM add_message(
        NEW.session_id, NEW.id, NEW.role, NEW.content, NEW.metadata, NEW.created_at, NULL, NULL, NULL, NULL);
    IF added.outcome = 'missing' THEN
        RAISE EXCEPTION 'there is no session %', NEW.session_id USING ERRCODE = 'foreign_key_violation';
    ELSIF added.outcome = 'busy' THEN
        RAISE EXCEPTION 'an answer is still being written in session %', NEW.session_id
            USING ERRCODE = 'lock_not_available';
    END IF;
    NEW.created_at := added.said_at;
    RETURN NEW;
END $$;
CREATE TRIGGER chat_messages_insert INSTEAD OF INSERT ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION insert_chat_message();
"""


def upgrade() -> None:
    run(SESSIONS)
    if scalar(f"SELECT to_regclass('{ASIDE}.sessions') IS NOT NULL"):
        run(
            f"""
            UPDATE sessions s SET lasting = a.lasting, titled_at = a.titled_at, arrived_at = a.arrived_at
            FROM {ASIDE}.sessions a WHERE a.id = s.id;
            DROP SCHEMA {ASIDE} CASCADE;
            """
        )
    run(ADD_MESSAGE + SEQ_AT)
    for name, query in VIEWS.items():
        # The reader's own row-level security holds through a view only if the view says so.
        run(f"CREATE VIEW {name} WITH (security_invoker = true) AS {query}")
        run(f"GRANT SELECT ON {name} TO rekindle_app, rekindle_system")
    for name, rights in WRITTEN.items():
        run(f"GRANT {rights} ON {name} TO rekindle_app, rekindle_system")
    run(CHAT_MESSAGES)


def downgrade() -> None:
    run(f"DROP VIEW {', '.join(VIEWS)}")
    run(
        """
        DROP FUNCTION insert_chat_message, add_message, seq_at;
        DROP TRIGGER sessions_owner ON sessions;
        DROP FUNCTION give_session_an_owner, uuid7;
        ALTER TABLE sessions ALTER assistant DROP DEFAULT;
        DROP INDEX sessions_current, sessions_untitled, sessions_text_id, sessions_thread_id;
        """
    )
    run(
        f"""
        CREATE SCHEMA {ASIDE};
        CREATE TABLE {ASIDE}.sessions AS SELECT id, lasting, titled_at, arrived_at FROM sessions;
        ALTER TABLE sessions DROP COLUMN lasting, DROP COLUMN titled_at, DROP COLUMN arrived_at;
        """
    )
