"""Accounts of the host application, codes, revocations, merging, the audit log; erased users are nobody."""

from rekindle.migrations import fence, run, scalar

revision = "0006"
down_revision = "0005"

ASIDE = "rekindle_set_aside_identity"
KEPT = ("host_accounts", "erased_subjects", "revocations", "audit_people", "audit_log")

TABLES = """
-- Who a host application's `sub` is here.
CREATE TABLE host_accounts (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX host_accounts_user ON host_accounts (user_id);

-- A host's token outlives the erasure of whom it names; it must not bring them back. Forgotten after 30 days.
CREATE TABLE erased_subjects (
    digest bytea PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Tokens that hold no more: one, by the digest of what it says; or, under the user's own id, all up to a moment.
CREATE TABLE revocations (
    token uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    issued_until double precision,
    expires_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX revocations_changed ON revocations (changed_at);
CREATE INDEX revocations_user ON revocations (user_id);

-- People are in the audit log by a reference that stands for nobody once they are erased.
CREATE TABLE audit_people (
    reference uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE INDEX audit_people_user ON audit_people (user_id);

CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor uuid NOT NULL,
    action text NOT NULL,
    subject uuid,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_subject ON audit_log (subject, id);
"""

SECURITY = """
GRANT SELECT ON erased_subjects TO rekindle_system;
-- Added to and read, never changed; and a user has no business with it.
REVOKE ALL ON audit_people FROM rekindle_app;
GRANT SELECT, INSERT ON audit_log TO rekindle_system;
"""

CODES = """
-- Neither the address nor the code is here, only what the server's key makes of them. No use after 10 minutes.
CREATE TABLE email_codes (
    address bytea PRIMARY KEY,
    code bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);
CREATE INDEX email_codes_expired ON email_codes (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON email_codes TO rekindle_system;
"""

FUNCTIONS = """
-- become_user, for those who are here: an erased user's token speaks for nobody.
CREATE FUNCTION admit_user(p_user uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM become_user(p_user);
    IF NOT EXISTS (SELECT FROM users WHERE id = p_user) THEN
        RAISE EXCEPTION 'this user is gone' USING ERRCODE = 'RK401';
    END IF;
    -- Their hidden sessions, for what belongs to those (0012). A turn does without: it holds its session's row.
    PERFORM set_config('rekindle.hidden_too', 'on', true);
    PERFORM set_config('rekindle.hidden', coalesce((
        SELECT array_agg(s.id)::text FROM sessions s WHERE s.user_id = p_user AND s.hidden_at IS NOT NULL), ''), true);
    PERFORM set_config('rekindle.hidden_too', '', true);
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION subject_digest(p_issuer text, p_subject text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(length(p_issuer) || ':' || p_issuer || p_subject, 'UTF8'))
$$;

-- Of its definer, since who erases a user writes here without a right to read it.
CREATE FUNCTION remember_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM erased_subjects e WHERE e.erased_at < clock_timestamp() - interval '30 days';
    INSERT INTO erased_subjects (digest) VALUES (subject_digest(OLD.issuer, OLD.subject))
    ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at;
    RETURN NULL;
END $$;

-- What other servers keep in memory: they listen.
CREATE FUNCTION tell_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rekindle_identity', json_build_object(
        'token', NEW.token, 'until', NEW.issued_until, 'expires', extract(epoch FROM NEW.expires_at))::text);
    RETURN NULL;
END $$;

CREATE FUNCTION tell_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rekindle_identity', json_build_object('gone', OLD.id)::text);
    RETURN NULL;
END $$;

CREATE FUNCTION tell_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rekindle_identity', json_build_object('left', OLD.id)::text);
    RETURN NULL;
END $$;

-- The user a host's `sub` is, made at first sight. NULL when they were erased after the token was issued.
CREATE FUNCTION host_user(
    p_issuer text, p_subject text, p_email text, p_name text, p_new uuid, p_issued timestamptz
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    known uuid;
    address text := p_email;
BEGIN
    PERFORM become_system();
    SELECT h.user_id INTO known FROM host_accounts h WHERE h.issuer = p_issuer AND h.subject = p_subject;
    IF FOUND THEN
        RETURN known;
    END IF;
    IF EXISTS (SELECT FROM erased_subjects e
               WHERE e.digest = subject_digest(p_issuer, p_subject) AND e.erased_at >= p_issued) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(p_issuer || p_subject, 0));
    SELECT h.user_id INTO known FROM host_accounts h WHERE h.issuer = p_issuer AND h.subject = p_subject;
    IF FOUND THEN
        RETURN known;
    END IF;
    IF address IS NOT NULL THEN  -- one at a time, or two to whom the host gave one address would be one person here
        PERFORM pg_advisory_xact_lock(hashtextextended(address, 1));
    END IF;
    SELECT u.id INTO known FROM users u WHERE u.email = address FOR UPDATE;
    IF EXISTS (SELECT FROM host_accounts h WHERE h.user_id = known AND h.issuer = p_issuer) THEN
        known := NULL;  -- the host gave somebody else's address to this person: they do not inherit that account
        address := NULL;
    END IF;
    IF known IS NULL THEN
        INSERT INTO users AS u (id, email, metadata, verified_at)
        VALUES (p_new, address, jsonb_strip_nulls(jsonb_build_object('name', p_name)), now())
        ON CONFLICT (email) DO UPDATE SET verified_at = coalesce(u.verified_at, now()) RETURNING u.id INTO known;
    ELSE
        UPDATE users u SET verified_at = coalesce(u.verified_at, now()), updated_at = now() WHERE u.id = known;
    END IF;
    INSERT INTO host_accounts (issuer, subject, user_id) VALUES (p_issuer, p_subject, known);
    RETURN known;
END $$;

-- Gives a visitor's session to the account they have proven to be theirs, with all that belongs to it. A visitor
-- who leaves nothing behind (no address, no account, no session) goes. False: an answer is still being written.
CREATE FUNCTION adopt_session(p_from uuid, p_into uuid, p_session uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM become_system();
    IF p_from = p_into THEN
        RETURN true;
    END IF;
    PERFORM FROM sessions s WHERE s.id = p_session AND s.user_id = p_from FOR UPDATE;  -- no turn begins meanwhile
    IF FOUND THEN
        IF EXISTS (SELECT FROM messages m WHERE m.session_id = p_session AND m.status = 'running') THEN
            RETURN false;
        END IF;
        -- Messages and summaries follow by their foreign keys.
        UPDATE sessions s SET user_id = p_into, thread = CASE WHEN EXISTS (
            SELECT FROM sessions o WHERE o.user_id = p_into AND o.thread = s.thread) THEN NULL ELSE s.thread END
        WHERE s.id = p_session;

        INSERT INTO user_usage AS u (user_id, total_tokens, input_tokens, output_tokens, estimated_tokens, turns)
        SELECT whose.id, whose.sign * sum(d.input_tokens + d.output_tokens), whose.sign * sum(d.input_tokens),
               whose.sign * sum(d.output_tokens), whose.sign * sum(d.estimated_tokens), whose.sign * sum(d.turns)
        FROM usage_daily d, (VALUES (p_from, -1), (p_into, 1)) AS whose (id, sign)
        WHERE d.user_id = p_from AND d.session_id = p_session GROUP BY whose.id, whose.sign
        ON CONFLICT (user_id) DO UPDATE SET
            total_tokens = u.total_tokens + excluded.total_tokens,
            input_tokens = u.input_tokens + excluded.input_tokens,
            output_tokens = u.output_tokens + excluded.output_tokens,
            estimated_tokens = u.estimated_tokens + excluded.estimated_tokens, turns = u.turns + excluded.turns,
            updated_at = now();
        -- A day's quota counts what its account has used; where none is kept, none begins here.
        UPDATE quota_days q SET
            tokens = q.tokens + whose.sign * d.tokens, cost_micros = q.cost_micros + whose.sign * d.cost
        FROM (SELECT u.day, sum(u.input_tokens + u.output_tokens) AS tokens, coalesce(sum(u.cost_micros), 0) AS cost
              FROM usage_daily u WHERE u.user_id = p_from AND u.session_id = p_session GROUP BY u.day) d,
             (VALUES (p_from, -1), (p_into, 1)) AS whose (id, sign)
        WHERE q.user_id = whose.id AND q.day = d.day;
        UPDATE usage_daily d SET user_id = p_into WHERE d.user_id = p_from AND d.session_id = p_session;
    END IF;

    UPDATE users u SET metadata = f.metadata || u.metadata, phone = coalesce(u.phone, f.phone), updated_at = now()
    FROM users f WHERE u.id = p_into AND f.id = p_from AND f.email IS NULL AND f.verified_at IS NULL;
    IF EXISTS (SELECT FROM users u WHERE u.id = p_from AND u.email IS NULL AND u.verified_at IS NULL)
        AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = p_from)
        AND NOT EXISTS (SELECT FROM host_accounts h WHERE h.user_id = p_from) THEN
        UPDATE audit_people a SET user_id = p_into WHERE a.user_id = p_from;
        DELETE FROM quota_days q WHERE q.user_id = p_from;
        DELETE FROM users u WHERE u.id = p_from;
    END IF;
    RETURN true;
END $$;

-- One row for each person whose data was read, or one without. Their references are made where there are none.
CREATE FUNCTION audit(p_ids uuid[], p_actor uuid, p_action text, p_subjects uuid[], p_detail jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM become_system();
    INSERT INTO audit_people (user_id)
    SELECT u.id FROM users u
    WHERE u.id = ANY (p_actor || p_subjects) AND NOT EXISTS (SELECT FROM audit_people a WHERE a.user_id = u.id);
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT entry.id, (SELECT a.reference FROM audit_people a WHERE a.user_id = p_actor ORDER BY a.reference LIMIT 1),
           p_action,
           (SELECT a.reference FROM audit_people a WHERE a.user_id = entry.whom ORDER BY a.reference LIMIT 1), p_detail
    FROM unnest(p_ids, p_subjects) AS entry (id, whom);
END $$;
"""

TRIGGERS = """
CREATE TRIGGER told AFTER INSERT OR UPDATE ON revocations FOR EACH ROW EXECUTE FUNCTION tell_revoked();
CREATE TRIGGER told_gone AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell_gone();
CREATE TRIGGER told_deleted AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION tell_left();
-- Ended, hidden, or somebody else's.
CREATE TRIGGER told_left AFTER UPDATE OF ended_at, hidden_at, user_id ON sessions FOR EACH ROW
WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL OR OLD.hidden_at IS NULL AND NEW.hidden_at IS NOT NULL
      OR OLD.user_id <> NEW.user_id)
EXECUTE FUNCTION tell_left();
CREATE TRIGGER remembered AFTER DELETE ON host_accounts FOR EACH ROW EXECUTE FUNCTION remember_erased();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

FOLLOWING = """
-- What refers to a session and its user follows when the session changes hands.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT c.conrelid::regclass AS name, c.conname, pg_get_constraintdef(c.oid) AS definition
                 FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = 'sessions'::regclass
                   AND cardinality(c.confkey) = 2 AND c.confupdtype <> 'c' LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s ON UPDATE CASCADE',
                       found.name, found.conname, found.conname, found.definition);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    if scalar(f"SELECT to_regclass('{ASIDE}.audit_log') IS NOT NULL"):
        for table in KEPT:
            run(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
    else:
        run(TABLES)
        fence("host_accounts", "revocations", "audit_people")
        run(SECURITY)
    run(CODES)
    run(FUNCTIONS)
    run(TRIGGERS)
    run(FOLLOWING)


def downgrade() -> None:
    # That foreign keys follow may stay: it does no harm to what came before.
    run(
        """
        DROP TRIGGER append_only ON audit_log;
        DROP TRIGGER remembered ON host_accounts;
        DROP TRIGGER told_left ON sessions;
        DROP TRIGGER told_deleted ON sessions;
        DROP TRIGGER told_gone ON users;
        DROP TRIGGER told ON revocations;
        DROP FUNCTION audit, adopt_session, host_user, tell_left, tell_gone, tell_revoked, remember_erased,
            subject_digest, refuse_change, admit_user;
        DROP TABLE email_codes;
        """
    )
    run(f"CREATE SCHEMA {ASIDE}")
    for table in KEPT:
        run(f"ALTER TABLE public.{table} SET SCHEMA {ASIDE}")
