"""What reviewers note about sessions; sessions that their users deleted, for as long as that can be undone."""

from rekindle.migrations import fence, run, scalar

revision = "0012"
down_revision = "0011"

ASIDE = "rekindle_set_aside_review"

REVIEWS = """
-- For administrators' eyes: who is written about does not read it.
CREATE TABLE session_reviews (
    session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    reviewed_at timestamptz,
    reviewed_by uuid REFERENCES users ON DELETE SET NULL,
    tags text[] NOT NULL DEFAULT '{}',
    note text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX session_reviews_user ON session_reviews (user_id);
CREATE INDEX session_reviews_reviewer ON session_reviews (reviewed_by);
"""

HIDDEN = """
-- A session in here is nowhere else: the policies below leave it out for its user and for the system. `thread`: the
-- name it had, which another session may take meanwhile.
CREATE TABLE hidden_sessions (
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    thread text,
    hidden_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, session_id),
    FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX hidden_sessions_session ON hidden_sessions (session_id);
"""

EXEMPT = "('hidden_sessions', 'session_reviews', 'usage_daily')"
"""Tables that name sessions but are no part of them: what was used stays counted."""

POLICIES = f"""
CREATE POLICY shown ON sessions AS RESTRICTIVE TO rekindle_app, rekindle_system
    USING (id <> ALL (ARRAY(SELECT h.session_id FROM hidden_sessions h))) WITH CHECK (true);
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'session_id'
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
                   AND c.relname NOT IN {EXEMPT} LOOP
        EXECUTE format('CREATE POLICY shown ON %s AS RESTRICTIVE TO rekindle_app
            USING ((session_id <> ALL (ARRAY(SELECT h.session_id FROM hidden_sessions h))) IS NOT FALSE)
            WITH CHECK (true)', found);
    END LOOP;
END $$;
"""

NO_POLICIES = """
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN SELECT p.polrelid FROM pg_policy p WHERE p.polname = 'shown' LOOP
        EXECUTE format('DROP POLICY shown ON %s', found);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    if scalar(f"SELECT to_regclass('{ASIDE}.session_reviews') IS NOT NULL"):
        run(f"ALTER TABLE {ASIDE}.session_reviews SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
    else:
        run(REVIEWS)
        fence("session_reviews")
        run("REVOKE ALL ON session_reviews FROM rekindle_app")
    run("CREATE INDEX sessions_started ON sessions (started_at)")  # no turn changes it
    run(HIDDEN)
    fence("hidden_sessions")
    run(POLICIES)


def downgrade() -> None:
    run(NO_POLICIES)
    # Their users deleted them: no earlier version may show them again.
    run("SET LOCAL ROLE rekindle_system")
    run("DELETE FROM sessions WHERE id IN (SELECT session_id FROM hidden_sessions)")
    run("RESET ROLE")
    run("DROP TABLE hidden_sessions")
    run("DROP INDEX sessions_started")
    run(f"CREATE SCHEMA {ASIDE}")
    run(f"ALTER TABLE public.session_reviews SET SCHEMA {ASIDE}")
