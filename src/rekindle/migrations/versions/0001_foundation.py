"""Users, sessions, messages, summaries, usage; the roles and their row-level security."""

from rekindle.migrations import fence, run, scalar

revision = "0001"
down_revision = None

TABLE_NAMES = ("users", "sessions", "messages", "session_summaries", "user_usage")
ASIDE = "rekindle_set_aside"

ROLES = """
DO $$
DECLARE
    wanted text;
    becoming text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['rekindle_app', 'rekindle_system'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles belong to the cluster: another database of it may have made them
        END;
        -- Since PostgreSQL 16 who makes a role may give it to others, but does not become it unless given it too.
        IF NOT pg_has_role(current_user, wanted, becoming) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', wanted);
    END LOOP;
END $$;

CREATE FUNCTION become_user(p_user uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('rekindle.user_id', p_user::text, true), set_config('role', 'rekindle_app', true);
END $$;

CREATE FUNCTION become_system() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', 'rekindle_system', true);
END $$;

"""

IDENTITY = """
CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('rekindle.user_id', true), '')::uuid
$$;
"""

TABLES = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text UNIQUE,
    phone text,
    metadata jsonb NOT NULL DEFAULT '{}',
    verified_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- No column that a turn writes is in an index, so a turn updates its session's row in place (HOT).
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    cookie_sid text UNIQUE,
    assistant text NOT NULL,
    thread text,
    title text,
    last_seq integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    state jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    hidden_at timestamptz,
    hidden_thread text,
    UNIQUE (id, user_id)
) WITH (fillfactor = 80);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE UNIQUE INDEX sessions_thread ON sessions (user_id, thread) WHERE thread IS NOT NULL;
CREATE INDEX sessions_open ON sessions (id) WHERE ended_at IS NULL;
CREATE INDEX sessions_hidden ON sessions (user_id, id) WHERE hidden_at IS NOT NULL;

-- `content` is a JSON string: room for parts beside text, as chat APIs have them. A turn's id is its reply's.
CREATE TABLE messages (
    session_id uuid NOT NULL,
    seq integer NOT NULL CHECK (seq > 0),
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    content jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'complete', 'failed', 'cancelled', 'interrupted')),
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    idempotency_key text,
    attempt integer NOT NULL DEFAULT 1,
    server text,
    lease_until timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false,
    model text,
    input_tokens integer,
    output_tokens integer,
    tokens_estimated boolean,
    processing_time_ms integer,
    tools_used jsonb,
    context_used jsonb,
    error_code text,
    error_message text,
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (session_id, seq),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX messages_turn ON messages (id) WHERE role = 'assistant';
CREATE UNIQUE INDEX messages_key ON messages (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX messages_running ON messages (session_id) WHERE status = 'running';

-- Which sessions have none, or an old one, is looked for each minute: in the key, without reading what they say.
CREATE TABLE session_summaries (
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    summary text NOT NULL,
    embedding vector,
    embedding_model text,
    metadata jsonb NOT NULL DEFAULT '{}',
    through_seq integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id) INCLUDE (through_seq),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE
);
CREATE INDEX session_summaries_user ON session_summaries (user_id, session_id);
CREATE INDEX session_summaries_bare ON session_summaries (session_id) WHERE embedding IS NULL;

CREATE TABLE user_usage (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    total_tokens bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    estimated_tokens bigint NOT NULL DEFAULT 0,
    turns bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""

HIDDEN = """
-- A session that its user deleted is there for nobody, the system neither, until it is restored or erased: for those
-- the setting is on. By a column of the row, since whoever waits for the row's lock looks at it again.
CREATE POLICY shown ON sessions AS RESTRICTIVE TO rekindle_app, rekindle_system
    USING (hidden_at IS NULL OR current_setting('rekindle.hidden_too', true) = 'on') WITH CHECK (true);
"""


def set_aside() -> bool:
    """Whether an earlier downgrade left the tables aside."""
    return bool(scalar(f"SELECT to_regclass('{ASIDE}.users') IS NOT NULL"))


def upgrade() -> None:
    run("CREATE EXTENSION IF NOT EXISTS vector")
    run(ROLES)
    if set_aside():
        run(f"ALTER FUNCTION {ASIDE}.current_user_id SET SCHEMA public")
        for table in TABLE_NAMES:
            run(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
        return
    run(IDENTITY)
    run(TABLES)
    fence("users", owner="id")
    fence("sessions", "messages", "session_summaries", "user_usage")
    run(HIDDEN)


def downgrade() -> None:
    # Going down never loses what people said: the tables step aside, and going up brings them back.
    run(f"CREATE SCHEMA {ASIDE}")
    for table in TABLE_NAMES:
        run(f"ALTER TABLE public.{table} SET SCHEMA {ASIDE}")
    run(f"ALTER FUNCTION current_user_id SET SCHEMA {ASIDE}")
    run("DROP FUNCTION become_system, become_user")
