"""What is known of a person: things with their source, date and state; what was derived; what is paused."""

from rekindle.migrations import fence, run, scalar

revision = "0010"
down_revision = "0009"

ASIDE = "rekindle_set_aside_profile"
KEPT = ("known_things", "derivations", "memory_settings")

TABLES = """
-- What is derived goes with its session; what a user said themselves here, or had forgotten, has none.
-- Of what is forgotten there is no text any more: by the keyed digests in `barred` it is known when it comes again.
CREATE TABLE known_things (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('preference', 'fact', 'question', 'interest')),
    text text,
    state text NOT NULL CHECK (state IN ('current', 'superseded', 'answered', 'forgotten', 'corrected')),
    session_id uuid,
    first_seq integer,
    last_seq integer,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    seen_at timestamptz NOT NULL,
    superseded_by uuid,
    barred bytea[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((text IS NULL) = (state = 'forgotten')),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX known_things_user ON known_things (user_id, id);
CREATE INDEX known_things_session ON known_things (session_id) WHERE session_id IS NOT NULL;

-- A summary without a row here, or with one that is older than itself, waits. `passed_over`: said while paused.
CREATE TABLE derivations (
    session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    summary_at timestamptz NOT NULL,
    passed_over boolean NOT NULL DEFAULT false,
    derived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX derivations_user ON derivations (user_id);

CREATE TABLE memory_settings (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    paused_since timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

CHANGING_HANDS = """
-- A session that its visitor proves to be theirs is derived anew, among what their account knows, forgot and pauses.
CREATE FUNCTION derive_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM known_things k WHERE k.session_id = NEW.id;
    DELETE FROM derivations d WHERE d.session_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER derived_anew AFTER UPDATE OF user_id ON sessions
FOR EACH ROW WHEN (OLD.user_id <> NEW.user_id) EXECUTE FUNCTION derive_anew();
"""

GIVEN_UP = """
-- Whether the reading of this summary failed for good: it waits for somebody to try it again, or for a newer summary.
-- Of its definer: nobody but the queue itself has a right to its tables.
CREATE FUNCTION is_given_up(p_session uuid, p_version timestamptz) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM procrastinate_jobs j
                   WHERE j.status = 'failed' AND j.queueing_lock = 'derive:' || p_session
                     AND (j.args ->> 'version')::timestamptz = p_version)
$$;
REVOKE ALL ON FUNCTION is_given_up FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_given_up TO rekindle_system;
"""


def upgrade() -> None:
    if scalar(f"SELECT to_regclass('{ASIDE}.known_things') IS NOT NULL"):
        for table in KEPT:
            run(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
    else:
        run(TABLES)
        fence(*KEPT)
    run(CHANGING_HANDS + GIVEN_UP)


def downgrade() -> None:
    # What people corrected and had forgotten cannot be derived again: it steps aside.
    run("DROP TRIGGER derived_anew ON sessions; DROP FUNCTION derive_anew, is_given_up")
    run(f"CREATE SCHEMA {ASIDE}")
    for table in KEPT:
        run(f"ALTER TABLE public.{table} SET SCHEMA {ASIDE}")
