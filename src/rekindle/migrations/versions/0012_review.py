"""What reviewers note about sessions; what belongs to hidden sessions is hidden."""

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

EXEMPT = "('session_reviews', 'usage_daily')"
"""Tables that name sessions but are no part of them: what was used stays counted."""

HIDDEN = f"""
CREATE FUNCTION hidden_ids() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('rekindle.hidden', true), ''), '{{}}')::uuid[]
$$;
-- What belongs to a hidden session is as hidden. Plainly, without a subquery: planning one costs each turn more.
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'session_id'
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
                   AND c.relname NOT IN {EXEMPT} LOOP
        EXECUTE format($policy$CREATE POLICY shown ON %s AS RESTRICTIVE TO rekindle_app USING (
            coalesce(current_setting('rekindle.hidden', true), '') = ''
            OR (session_id <> ALL (hidden_ids())) IS NOT FALSE
        ) WITH CHECK (true)$policy$, found);
    END LOOP;
END $$;
"""

SHOWN = """
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN SELECT p.polrelid FROM pg_policy p
                 WHERE p.polname = 'shown' AND p.polrelid <> 'sessions'::regclass LOOP
        EXECUTE format('DROP POLICY shown ON %s', found);
    END LOOP;
END $$;
DROP FUNCTION hidden_ids;
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


def downgrade() -> None:
    run(SHOWN)
    run("DROP INDEX sessions_started")
    run(f"CREATE SCHEMA {ASIDE}")
    run(f"ALTER TABLE public.session_reviews SET SCHEMA {ASIDE}")
