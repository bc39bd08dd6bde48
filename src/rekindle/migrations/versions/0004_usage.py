"""Usage by user, session, model and day; prices; quotas: all counted where a reply ends, whoever ends it."""

from rekindle.migrations import fence, run, scalar

revision = "0004"
down_revision = "0003"

ASIDE = "rekindle_set_aside_usage"
KEPT = ("usage_daily", "model_prices")

TABLES = """
-- `session_id` refers to nothing: what was used stays counted when its session is deleted.
CREATE TABLE usage_daily (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    day date NOT NULL,
    session_id uuid NOT NULL,
    model text NOT NULL,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    estimated_tokens bigint NOT NULL DEFAULT 0,
    background_tokens bigint NOT NULL DEFAULT 0,  -- of the input and output: not a turn's, but a summary's or a title's
    turns bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    cost_micros bigint,
    PRIMARY KEY (user_id, day, session_id, model)
) WITH (fillfactor = 80);
CREATE INDEX usage_daily_day ON usage_daily (day);

-- Micro-dollars for a million tokens. A row with a `source` of its own is an operator's, and stays.
CREATE TABLE model_prices (
    model text PRIMARY KEY,
    input_micros numeric NOT NULL CHECK (input_micros >= 0),
    output_micros numeric NOT NULL CHECK (output_micros >= 0),
    source text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO model_prices (model, input_micros, output_micros, source) VALUES ('offline', 0, 0, 'built in');
GRANT SELECT, INSERT, UPDATE ON model_prices TO rekindle_system;
GRANT SELECT ON model_prices TO rekindle_app;
"""

QUOTAS = """
-- Spent and reserved of a day; the nil user stands for all. Only kept while a quota is set.
CREATE TABLE quota_days (
    user_id uuid NOT NULL,
    day date NOT NULL,
    tokens bigint NOT NULL,
    cost_micros bigint NOT NULL,
    PRIMARY KEY (user_id, day)
) WITH (fillfactor = 80);

CREATE TABLE quota_reservations (
    turn_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    day date NOT NULL,
    model text NOT NULL,
    tokens bigint NOT NULL,
    cost_micros bigint NOT NULL
);
"""

ALL_USERS = """
-- Every turn adds to the day of all users; it names nobody.
CREATE POLICY everybody ON quota_days TO rekindle_app USING (user_id = '00000000-0000-0000-0000-000000000000');
"""

COUNTING = """
CREATE FUNCTION uuid_nil() RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '00000000-0000-0000-0000-000000000000'::uuid
$$;

-- What so many tokens of a model cost, in micro-dollars; NULL when its price is not known.
CREATE FUNCTION token_cost(p_model text, p_input bigint, p_output bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT ceil((p_input * p.input_micros + p_output * p.output_micros) / 1000000)::bigint
    FROM model_prices p WHERE p.model = p_model
$$;

-- Takes back what was counted for a reply, and gives it as what the day's quotas have reserved for it.
CREATE FUNCTION uncount_turn(p_reply messages) RETURNS quota_reservations LANGUAGE plpgsql AS $$
DECLARE
    counted date := (p_reply.completed_at AT TIME ZONE 'UTC')::date;
    named text := coalesce(p_reply.model, 'unknown');
    spent bigint := p_reply.input_tokens + p_reply.output_tokens;
    estimated bigint := CASE WHEN p_reply.tokens_estimated THEN spent ELSE 0 END;
    cost bigint := token_cost(p_reply.model, p_reply.input_tokens, p_reply.output_tokens);
BEGIN
    -- The day of all users first, here as in `reserve`: whoever waits for it holds no other count.
    PERFORM FROM quota_days q WHERE q.user_id = uuid_nil() AND q.day = counted FOR UPDATE;
    UPDATE user_usage u SET
        total_tokens = u.total_tokens - spent, input_tokens = u.input_tokens - p_reply.input_tokens,
        output_tokens = u.output_tokens - p_reply.output_tokens, estimated_tokens = u.estimated_tokens - estimated,
        turns = u.turns - 1, updated_at = now()
    WHERE u.user_id = p_reply.user_id;
    UPDATE usage_daily u SET
        input_tokens = u.input_tokens - p_reply.input_tokens, output_tokens = u.output_tokens - p_reply.output_tokens,
        estimated_tokens = u.estimated_tokens - estimated, turns = u.turns - 1,
        failed = u.failed - (p_reply.status <> 'complete')::integer, cost_micros = u.cost_micros - coalesce(cost, 0)
    WHERE u.user_id = p_reply.user_id AND u.day = counted AND u.session_id = p_reply.session_id AND u.model = named;
    DELETE FROM usage_daily u
    WHERE u.user_id = p_reply.user_id AND u.day = counted AND u.session_id = p_reply.session_id AND u.model = named
      AND u.turns = 0 AND u.background_tokens = 0;
    RETURN ROW(p_reply.id, p_reply.user_id, counted, named, spent, coalesce(cost, 0))::quota_reservations;
END $$;

-- A reply has ended, however and by whomever: it is counted, and what was reserved for it is settled, in the
-- transaction that ends it. A server that is gone left no count: about four characters to a token, then. If it was not
-- gone and ends the reply after all, that count is taken back.
CREATE FUNCTION count_turn() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    reserved quota_reservations;
    spent bigint;
    cost bigint;
BEGIN
    IF OLD.status = 'running' THEN
        DELETE FROM quota_reservations r WHERE r.turn_id = NEW.id RETURNING * INTO reserved;
    ELSE
        reserved := uncount_turn(OLD);
    END IF;
    IF NEW.input_tokens IS NULL THEN
        NEW.tokens_estimated := true;
        NEW.output_tokens := ceil(length(NEW.content #>> '{}') / 4.0);
        SELECT ceil(coalesce(sum(length(m.content #>> '{}')), 0) / 4.0) INTO NEW.input_tokens
        FROM messages m WHERE m.session_id = NEW.session_id AND m.seq BETWEEN NEW.seq - 20 AND NEW.seq - 1;
        NEW.model := coalesce(reserved.model, NEW.model);
    END IF;
    spent := NEW.input_tokens + NEW.output_tokens;
    cost := token_cost(NEW.model, NEW.input_tokens, NEW.output_tokens);
    IF reserved.turn_id IS NOT NULL THEN
        -- The day of all users first, here as in `reserve`: whoever waits for it holds no other count.
        PERFORM FROM quota_days q WHERE q.user_id = uuid_nil() AND q.day = reserved.day FOR UPDATE;
        UPDATE quota_days q SET tokens = q.tokens + spent - reserved.tokens,
            cost_micros = q.cost_micros + coalesce(cost, 0) - reserved.cost_micros
        WHERE q.user_id IN (uuid_nil(), NEW.user_id) AND q.day = reserved.day;
    END IF;
    INSERT INTO user_usage AS u (user_id, total_tokens, input_tokens, output_tokens, estimated_tokens, turns)
    VALUES (NEW.user_id, spent, NEW.input_tokens, NEW.output_tokens,
            CASE WHEN NEW.tokens_estimated THEN spent ELSE 0 END, 1)
    ON CONFLICT (user_id) DO UPDATE SET
        total_tokens = u.total_tokens + excluded.total_tokens, input_tokens = u.input_tokens + excluded.input_tokens,
        output_tokens = u.output_tokens + excluded.output_tokens,
        estimated_tokens = u.estimated_tokens + excluded.estimated_tokens, turns = u.turns + 1, updated_at = now();
    INSERT INTO usage_daily AS u (user_id, day, session_id, model, input_tokens, output_tokens, estimated_tokens,
                                  turns, failed, cost_micros)
    VALUES (NEW.user_id, today, NEW.session_id, coalesce(NEW.model, 'unknown'), NEW.input_tokens, NEW.output_tokens,
            CASE WHEN NEW.tokens_estimated THEN spent ELSE 0 END, 1, (NEW.status <> 'complete')::integer, cost)
    ON CONFLICT (user_id, day, session_id, model) DO UPDATE SET
        input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
        estimated_tokens = u.estimated_tokens + excluded.estimated_tokens, turns = u.turns + 1,
        failed = u.failed + excluded.failed,
        cost_micros = u.cost_micros + excluded.cost_micros;
    RETURN NEW;
END $$;

-- What the house asked a model by itself, on behalf of a user. A day's quota counts it, and does not refuse it.
CREATE FUNCTION count_background(
    p_user uuid, p_session uuid, p_model text, p_input bigint, p_output bigint, p_estimated boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    spent bigint := p_input + p_output;
    estimated bigint := CASE WHEN p_estimated THEN spent ELSE 0 END;
    cost bigint := token_cost(p_model, p_input, p_output);
BEGIN
    PERFORM FROM quota_days q WHERE q.user_id = uuid_nil() AND q.day = today FOR UPDATE;  -- first, as in `count_turn`
    UPDATE quota_days q SET tokens = q.tokens + spent, cost_micros = q.cost_micros + coalesce(cost, 0)
    WHERE q.user_id IN (uuid_nil(), p_user) AND q.day = today;
    INSERT INTO user_usage AS u (user_id, total_tokens, input_tokens, output_tokens, estimated_tokens, turns)
    VALUES (p_user, spent, p_input, p_output, estimated, 0)
    ON CONFLICT (user_id) DO UPDATE SET
        total_tokens = u.total_tokens + excluded.total_tokens, input_tokens = u.input_tokens + excluded.input_tokens,
        output_tokens = u.output_tokens + excluded.output_tokens,
        estimated_tokens = u.estimated_tokens + excluded.estimated_tokens, updated_at = now();
    INSERT INTO usage_daily AS u (user_id, day, session_id, model, input_tokens, output_tokens, estimated_tokens,
                                  background_tokens, cost_micros)
    VALUES (p_user, today, p_session, p_model, p_input, p_output, estimated, spent, cost)
    ON CONFLICT (user_id, day, session_id, model) DO UPDATE SET
        input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
        estimated_tokens = u.estimated_tokens + excluded.estimated_tokens,
        background_tokens = u.background_tokens + excluded.background_tokens,
        cost_micros = u.cost_micros + excluded.cost_micros;
END $$;

-- `OF status`: a checkpoint, which writes other columns, does not ask at all.
CREATE TRIGGER messages_counted BEFORE UPDATE OF status ON messages FOR EACH ROW
WHEN (OLD.status IN ('running', 'interrupted') AND NEW.status NOT IN ('running', OLD.status))
EXECUTE FUNCTION count_turn();
"""

RESERVING = """
-- Takes `p_tokens` and what they may cost from the day's quotas, or raises RK429 and takes nothing.
CREATE FUNCTION reserve(
    p_user uuid, p_turn uuid, p_model text, p_input bigint, p_output bigint, p_limits jsonb
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    micros bigint := coalesce(token_cost(p_model, p_input, p_output), 0);
    whose uuid;
    now_at quota_days;
    scope text;
BEGIN
    PERFORM become_system();
    FOREACH whose IN ARRAY ARRAY[uuid_nil(), p_user] LOOP
        scope := CASE WHEN whose = p_user THEN 'user' ELSE 'total' END;
        CONTINUE WHEN NOT p_limits ?| ARRAY[scope || '_tokens', scope || '_cost'];
        INSERT INTO quota_days AS q (user_id, day, tokens, cost_micros)
        SELECT whose, today, 0, 0 ON CONFLICT DO NOTHING;
        IF FOUND THEN  -- the day's first with a quota set: begin at what has been counted without one
            UPDATE quota_days q SET (tokens, cost_micros) = (
                SELECT coalesce(sum(u.input_tokens + u.output_tokens), 0), coalesce(sum(u.cost_micros), 0)
                FROM usage_daily u WHERE u.day = today AND (whose = uuid_nil() OR u.user_id = whose))
            WHERE q.user_id = whose AND q.day = today;
        END IF;
        UPDATE quota_days q SET tokens = q.tokens + p_input + p_output, cost_micros = q.cost_micros + micros
        WHERE q.user_id = whose AND q.day = today RETURNING * INTO now_at;
        IF now_at.tokens > (p_limits ->> (scope || '_tokens'))::bigint
            OR now_at.cost_micros > (p_limits ->> (scope || '_cost'))::bigint THEN
            RAISE EXCEPTION '%', scope USING ERRCODE = 'RK429';
        END IF;
    END LOOP;
    INSERT INTO quota_reservations VALUES (p_turn, p_user, today, p_model, p_input + p_output, micros);
END $$;

-- The tokens of what a model will be given, estimated: the window and the message, `overhead` for its instructions, and
-- of the past what it may take where there is a past to be searched, else what came with the begin. An assistant that
-- looks things up is asked again, with what it `found`.
CREATE FUNCTION input_estimate(
    p_user uuid, p_session uuid, p_seq integer, p_needs jsonb, p_recent jsonb, p_recalled jsonb, p_text text,
    p_limits jsonb
) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    recall bigint := (p_limits ->> 'recall')::bigint;
    prompt bigint := ceil((length(p_recent::text) + length(coalesce(p_text, ''))) / 4.0)
        + (p_limits ->> 'overhead')::bigint;
BEGIN
    IF NOT (p_seq - 2 > (p_limits ->> 'window')::integer OR ((p_needs ->> 'recalls')::boolean AND EXISTS (
            SELECT FROM sessions s WHERE s.user_id = p_user AND s.id <> p_session AND s.last_seq > 0))) THEN
        recall := least(recall, ceil(length(p_recalled::text) / 4.0));
    END IF;
    prompt := least(prompt + recall, (p_limits ->> 'longest')::bigint);
    RETURN prompt + coalesce(prompt + (p_needs ->> 'found')::bigint, 0);
END $$;

-- begin_turn where a quota is set: the same round trip, and nothing is stored when the quota is used up.
CREATE FUNCTION begin_turn_within(
    p_limits jsonb, p_user uuid, p_session uuid, p_message uuid, p_turn uuid, p_key text, p_text text,
    p_metadata jsonb, p_window integer, p_recall integer, p_server text, p_lease interval, p_reopen boolean,
    p_replaces uuid,
    OUT outcome text, OUT turn_id uuid, OUT turn_attempt integer, OUT turn_seq integer, OUT assistant_name text,
    OUT recent jsonb, OUT recalled jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    needs jsonb;
BEGIN
    SELECT b.outcome, b.turn_id, b.turn_attempt, b.turn_seq, b.assistant_name, b.recent, b.recalled
    INTO outcome, turn_id, turn_attempt, turn_seq, assistant_name, recent, recalled
    FROM begin_turn(p_user, p_session, p_message, p_turn, p_key, p_text, p_metadata, p_window, p_recall, p_server,
                    p_lease, p_reopen, p_replaces) b;
    IF outcome = 'begun' THEN
        needs := coalesce(p_limits -> 'assistants' -> assistant_name, p_limits -> 'otherwise');
        PERFORM reserve(p_user, p_turn, needs ->> 'model',
                        input_estimate(p_user, p_session, turn_seq, needs, recent, recalled, p_text, p_limits),
                        (p_limits ->> 'reply')::bigint, p_limits);
    END IF;
EXCEPTION WHEN SQLSTATE 'RK429' THEN  -- what was written since BEGIN is undone
    outcome := 'quota_' || SQLERRM;
    turn_id := NULL;
END $$;

CREATE FUNCTION retry_turn_within(
    p_limits jsonb, p_user uuid, p_turn uuid, p_window integer, p_server text, p_lease interval,
    OUT outcome text, OUT session_id uuid, OUT turn_attempt integer, OUT turn_seq integer, OUT assistant_name text,
    OUT recent jsonb, OUT recalled jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    needs jsonb;
BEGIN
    SELECT r.outcome, r.session_id, r.turn_attempt, r.turn_seq, r.assistant_name, r.recent, r.recalled
    INTO outcome, session_id, turn_attempt, turn_seq, assistant_name, recent, recalled
    FROM retry_turn(p_user, p_turn, p_window, p_server, p_lease) r;
    IF outcome = 'begun' THEN
        needs := coalesce(p_limits -> 'assistants' -> assistant_name, p_limits -> 'otherwise');
        PERFORM reserve(p_user, p_turn, needs ->> 'model',
                        input_estimate(p_user, session_id, turn_seq, needs, recent, recalled, NULL, p_limits),
                        (p_limits ->> 'reply')::bigint, p_limits);
    END IF;
EXCEPTION WHEN SQLSTATE 'RK429' THEN
    outcome := 'quota_' || SQLERRM;
END $$;
"""


def upgrade() -> None:
    if scalar(f"SELECT to_regclass('{ASIDE}.usage_daily') IS NOT NULL"):
        for table in KEPT:
            run(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
    else:
        run(TABLES)
        fence("usage_daily")
    run(QUOTAS)
    fence("quota_days", "quota_reservations")
    run(ALL_USERS)
    run(COUNTING)
    run(RESERVING)


def downgrade() -> None:
    run(
        """
        DROP TRIGGER messages_counted ON messages;
        DROP FUNCTION retry_turn_within, begin_turn_within, input_estimate, reserve, count_turn, uncount_turn,
            count_background, token_cost, uuid_nil;
        DROP TABLE quota_reservations, quota_days;
        """
    )
    run(f"CREATE SCHEMA {ASIDE}")
    for table in KEPT:
        run(f"ALTER TABLE public.{table} SET SCHEMA {ASIDE}")
