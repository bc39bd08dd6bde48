"""The turn's functions: begin, retry, checkpoint, finish, release, take over."""

from rekindle.migrations import run

revision = "0002"
down_revision = "0001"

SUMMARIES = """
-- Of what a reply used, the summaries it began with, as far as they are there: what was near to one message is not the
-- next one's.
CREATE FUNCTION kept_references(p_used jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(used.reference ORDER BY used.place), '[]')
    FROM jsonb_array_elements(p_used) WITH ORDINALITY AS used (reference, place)
    WHERE used.reference ->> 'kind' = 'summary' AND NOT used.reference ? 'nearest'
      AND EXISTS (SELECT FROM session_summaries s JOIN sessions past ON past.id = s.session_id
                  WHERE s.session_id = (used.reference ->> 'session_id')::uuid)
$$;

CREATE FUNCTION recalled_summaries(p_references jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array('summary', s.session_id, past.started_at, s.summary, NULL)
                              ORDER BY s.session_id DESC), '[]')
    FROM jsonb_array_elements(kept_references(p_references)) AS reference
    JOIN session_summaries s ON s.session_id = (reference ->> 'session_id')::uuid
    JOIN sessions past ON past.id = s.session_id
$$;
"""

CONTEXT = """
-- What the model is given of a session before message `p_before`: the window, the summaries that are referred to, and
-- the summary of what left the window, and the note with which the session was started.
CREATE FUNCTION turn_context(
    p_session uuid, p_before integer, p_window integer, p_references jsonb,
    OUT recent jsonb, OUT recalled jsonb
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    replaced bigint;
    first integer := p_before - p_window;
    earlier record;
    note jsonb;
BEGIN
    SELECT * INTO earlier FROM rolling_summaries r WHERE r.session_id = p_session ORDER BY r.version DESC LIMIT 1;
    IF FOUND THEN  -- what has left since the summary was written is still shown, up to half a window of it
        first := greatest(least(first, earlier.through_seq + 1), first - p_window / 2);
    END IF;
    SELECT coalesce(jsonb_agg(jsonb_build_array(w.role, w.content) ORDER BY w.seq) FILTER (WHERE NOT w.replaced), '[]'),
        count(*) FILTER (WHERE w.replaced)
    INTO recent, replaced
    -- A range, not a LIMIT: seqs have no gap, and so no plan can read more of a long session than the window.
    FROM (SELECT m.seq, m.role, m.content, m.metadata ? 'replaced_by' AS replaced FROM messages m
          WHERE m.session_id = p_session AND m.seq BETWEEN first AND p_before - 1) w
    WHERE w.content <> '""' OR w.replaced;
    IF replaced > 0 THEN  -- what was said in their stead is to be as much; and a range still says where it ends
        SELECT coalesce(jsonb_agg(jsonb_build_array(w.role, w.content) ORDER BY w.seq), '[]') INTO recent
        FROM (SELECT m.seq, m.role, m.content FROM messages m
              WHERE m.session_id = p_session AND m.seq BETWEEN p_before - 5 * p_window AND p_before - 1
                AND NOT m.metadata ? 'replaced_by' ORDER BY m.seq DESC LIMIT p_window) w
        WHERE w.content <> '""';
    END IF;
    recalled := recalled_summaries(p_references);
    IF earlier.session_id IS NOT NULL THEN
        recalled := recalled || jsonb_build_array(jsonb_build_array(
            'earlier', p_session, earlier.created_at, earlier.summary, earlier.through_seq));
    END IF;
    SELECT recalled || jsonb_build_array(jsonb_build_array(
        'note', s.id, s.started_at, s.state ->> 'context_summary', NULL)) INTO note
    FROM sessions s WHERE s.id = p_session AND s.state ? 'context_summary';
    recalled := coalesce(note, recalled);
END $$;
"""

BEGIN = """
-- One call, so one round trip; PL/pgSQL, so that each statement sees what was committed while it waited for the lock.
CREATE FUNCTION begin_turn(
    p_user uuid, p_session uuid, p_message uuid, p_turn uuid, p_key text, p_text text, p_metadata jsonb,
    p_window integer, p_recall integer, p_server text, p_lease interval, p_reopen boolean, p_replaces uuid,
    OUT outcome text, OUT turn_id uuid, OUT turn_attempt integer, OUT turn_seq integer, OUT assistant_name text,
    OUT recent jsonb, OUT recalled jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    session sessions;
    known messages;
    previous messages;
    sources jsonb;
    moment timestamptz;
BEGIN
    PERFORM become_user(p_user);
    SELECT * INTO session FROM sessions WHERE id = p_session FOR UPDATE;
    moment := clock_timestamp();  -- after the wait for the lock: messages are dated in their order
    IF NOT FOUND THEN
        outcome := 'missing';
        RETURN;
    END IF;
    assistant_name := session.assistant;

    IF p_key IS NOT NULL THEN
        SELECT * INTO known FROM messages m WHERE m.session_id = p_session AND m.idempotency_key = p_key;
        IF FOUND THEN
            SELECT m.id, m.attempt, m.seq INTO turn_id, turn_attempt, turn_seq
            FROM messages m WHERE m.session_id = p_session AND m.seq = known.seq + 1;
            outcome := CASE WHEN known.content = to_jsonb(p_text) THEN 'replayed' ELSE 'key_reused' END;
            RETURN;
        END IF;
    END IF;

    IF session.ended_at IS NOT NULL AND NOT p_reopen THEN
        outcome := 'ended';
        RETURN;
    END IF;

    IF session.last_seq > 0 THEN
        SELECT * INTO previous FROM messages m WHERE m.session_id = p_session AND m.seq = session.last_seq;
        IF previous.status = 'running' THEN
            IF previous.lease_until > moment OR previous.content = '""' THEN
                outcome := 'busy';
                turn_id := previous.id;
                RETURN;
            END IF;
            -- Its server is gone and part of it was shown: it ends as it is, and the session goes on.
            UPDATE messages m SET status = 'interrupted', completed_at = moment, lease_until = NULL,
                error_code = 'interrupted', error_message = 'The server stopped in the middle of this answer.'
            WHERE m.session_id = p_session AND m.seq = previous.seq;
        END IF;
    END IF;

    IF p_replaces IS NOT NULL THEN
        -- The newest question, by its own id or its turn's, is asked anew: it and its answer stay, marked.
        UPDATE messages m SET metadata = m.metadata || jsonb_build_object('replaced_by', p_turn)
        WHERE m.session_id = p_session AND m.seq BETWEEN session.last_seq - 1 AND session.last_seq
          AND previous.role = 'assistant' AND EXISTS (
            SELECT FROM messages q WHERE q.session_id = p_session AND q.seq = session.last_seq - 1 AND q.role = 'user'
              AND p_replaces IN (q.id, previous.id));
        IF NOT FOUND THEN
            outcome := 'not_replaceable';
            RETURN;
        END IF;
        IF session.last_seq = 2 AND session.titled_at IS NULL THEN
            session.title := NULL;
        END IF;
        DELETE FROM recall_blocks b WHERE b.session_id = p_session AND b.through_seq >= session.last_seq - 1;
    END IF;

    IF p_recall > 0 AND NOT EXISTS (  -- who has paused remembering is not reminded either
        SELECT FROM memory_settings p WHERE p.user_id = p_user AND p.paused_since IS NOT NULL) THEN
        IF previous.context_used IS NOT NULL THEN
            sources := kept_references(previous.context_used);
        ELSE  -- the first turn for which the past is open
            SELECT coalesce(jsonb_agg(jsonb_build_object('kind', 'summary', 'session_id', s.session_id)
                                      ORDER BY s.session_id DESC), '[]') INTO sources
            FROM (SELECT r.session_id FROM session_summaries r
                  JOIN sessions past ON past.id = r.session_id  -- a session that was deleted is not there
                  WHERE r.user_id = p_user AND r.session_id <> p_session
                  ORDER BY r.session_id DESC LIMIT p_recall) s;
        END IF;
    END IF;

    turn_id := p_turn;
    turn_attempt := 1;
    turn_seq := session.last_seq + 2;
    INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, completed_at,
                          idempotency_key, metadata, server, lease_until, context_used)
    VALUES (p_session, turn_seq - 1, p_message, p_user, 'user', to_jsonb(p_text), 'complete', moment, moment,
            p_key, p_metadata, NULL, NULL, NULL),
           (p_session, turn_seq, p_turn, p_user, 'assistant', '""', 'running', moment, NULL,
            NULL, '{}', p_server, moment + p_lease, sources);
    UPDATE sessions SET last_seq = turn_seq, last_seen_at = moment,
        title = coalesce(session.title, left(regexp_replace(btrim(p_text), '\\s+', ' ', 'g'), 80))
    WHERE id = p_session;
    IF session.ended_at IS NOT NULL THEN  -- by itself: a trigger watches that column, and most turns need not pay
        UPDATE sessions SET ended_at = NULL WHERE id = p_session;
    END IF;
    SELECT c.recent, c.recalled INTO recent, recalled
    FROM turn_context(p_session, turn_seq - 1, p_window, sources) c;
    outcome := 'begun';
END $$;

-- Runs the newest turn again, in place; what the earlier attempt had said moves into its metadata.
CREATE FUNCTION retry_turn(
    p_user uuid, p_turn uuid, p_window integer, p_server text, p_lease interval,
    OUT outcome text, OUT session_id uuid, OUT turn_attempt integer, OUT turn_seq integer, OUT assistant_name text,
    OUT recent jsonb, OUT recalled jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    session sessions;
    reply messages;
BEGIN
    PERFORM become_user(p_user);
    SELECT s.* INTO session FROM sessions s
    WHERE s.id = (SELECT m.session_id FROM messages m WHERE m.id = p_turn AND m.role = 'assistant') FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'missing';
        RETURN;
    END IF;
    SELECT * INTO reply FROM messages m WHERE m.id = p_turn AND m.role = 'assistant';
    session_id := session.id;
    assistant_name := session.assistant;
    turn_seq := reply.seq;
    IF session.ended_at IS NOT NULL THEN
        outcome := 'ended';
    ELSIF reply.status = 'running' THEN
        outcome := 'busy';
    ELSIF reply.seq <> session.last_seq OR reply.status = 'complete' THEN
        outcome := 'not_retryable';
    ELSE
        turn_attempt := reply.attempt + 1;
        UPDATE messages m SET status = 'running', attempt = turn_attempt, content = '""', server = p_server,
            lease_until = clock_timestamp() + p_lease, cancel_requested = false, completed_at = NULL,
            error_code = NULL, error_message = NULL, tools_used = NULL, model = NULL, input_tokens = NULL,
            output_tokens = NULL, tokens_estimated = NULL, processing_time_ms = NULL,
            -- What the attempt's tools noted goes with it.
            metadata = jsonb_build_object('attempts', (
                SELECT jsonb_agg(kept.attempt ORDER BY kept.nr) FROM (
                    SELECT * FROM jsonb_array_elements(coalesce(m.metadata -> 'attempts', '[]') || jsonb_build_object(
                        'attempt', m.attempt, 'status', m.status, 'content', m.content, 'error_code', m.error_code,
                        'completed_at', m.completed_at)) WITH ORDINALITY AS every (attempt, nr)
                    ORDER BY nr DESC LIMIT 5) kept))
        WHERE m.id = p_turn AND m.role = 'assistant';
        UPDATE sessions s SET last_seen_at = clock_timestamp() WHERE s.id = session.id;
        SELECT c.recent, c.recalled INTO recent, recalled
        FROM turn_context(session.id, reply.seq, p_window, reply.context_used) c;
        outcome := 'begun';
    END IF;
END $$;
"""

RUNNING = """
-- One statement for all turns that a server runs: keeps their partial replies and renews their leases. A turn that
-- is not in the answer was lost (taken over, ended, deleted): `attempt` fences. One that was only given up, and that
-- nobody has tried again or gone on from, is not yet: it may end by `finish_turn`.
CREATE FUNCTION checkpoint_turns(
    p_sessions uuid[], p_seqs integer[], p_attempts integer[], p_texts text[], p_lease interval
) RETURNS TABLE (turn_id uuid, cancelled boolean) LANGUAGE plpgsql AS $$
DECLARE
    kept bigint;
BEGIN
    PERFORM become_system();
    RETURN QUERY
    UPDATE messages m
    SET content = CASE WHEN c.body IS NULL THEN m.content ELSE to_jsonb(c.body) END,
        lease_until = clock_timestamp() + p_lease
    FROM unnest(p_sessions, p_seqs, p_attempts, p_texts) AS c (session_id, seq, attempt, body)
    WHERE m.session_id = c.session_id AND m.seq = c.seq AND m.attempt = c.attempt AND m.status = 'running'
    RETURNING m.id, m.cancel_requested;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < cardinality(p_sessions) THEN
        RETURN QUERY
        SELECT m.id, false FROM unnest(p_sessions, p_seqs, p_attempts) AS c (session_id, seq, attempt)
        JOIN messages m ON m.session_id = c.session_id AND m.seq = c.seq AND m.attempt = c.attempt
        WHERE m.status = 'interrupted'
          AND NOT EXISTS (SELECT FROM messages n WHERE n.session_id = m.session_id AND n.seq = m.seq + 1);
    END IF;
END $$;

-- Completes the reply in place; 0004 counts its tokens. No row when the turn was lost: nothing is written then.
-- Not lost is one that was only given up meanwhile, as interrupted, and that nobody has tried again: its server has the
-- whole of what is kept there in part. `late` then, and what was made from the part is made anew.
CREATE FUNCTION finish_turn(
    p_user uuid, p_session uuid, p_seq integer, p_attempt integer, p_status text, p_text text, p_model text,
    p_input integer, p_output integer, p_estimated boolean, p_milliseconds integer, p_tools jsonb,
    p_error_code text, p_error_message text, p_notes jsonb, p_context jsonb
) RETURNS TABLE (
    began timestamptz, ended timestamptz, sources jsonb, notes jsonb, late boolean
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM become_user(p_user);
    FOREACH late IN ARRAY ARRAY[false, true] LOOP
        UPDATE messages m
        SET status = p_status, content = to_jsonb(p_text), completed_at = clock_timestamp(), lease_until = NULL,
            model = p_model, input_tokens = p_input, output_tokens = p_output, tokens_estimated = p_estimated,
            processing_time_ms = p_milliseconds, tools_used = p_tools, error_code = p_error_code,
            error_message = p_error_message, context_used = coalesce(p_context, m.context_used),
            metadata = CASE WHEN p_notes IS NULL THEN m.metadata ELSE m.metadata || p_notes END
        WHERE m.session_id = p_session AND m.seq = p_seq AND m.attempt = p_attempt
          AND m.status = CASE WHEN late THEN 'interrupted' ELSE 'running' END
        RETURNING m.created_at, m.completed_at, m.context_used, m.metadata INTO began, ended, sources, notes;
        CONTINUE WHEN NOT FOUND;
        IF late THEN
            DELETE FROM recall_blocks b WHERE b.session_id = p_session AND b.through_seq >= p_seq;
            UPDATE session_summaries y SET through_seq = p_seq - 1
            WHERE y.session_id = p_session AND y.through_seq >= p_seq;
        END IF;
        RETURN NEXT;
        RETURN;
    END LOOP;
END $$;

-- Writes a turn that was run while the database was away, after what is there now. Once: its id says whether it is.
-- NULL while a reply is being written there: it is to end first. In a session that was deleted it is hidden with the
-- rest of it; false when that is gone.
CREATE FUNCTION store_turn(
    p_user uuid, p_session uuid, p_message uuid, p_turn uuid, p_key text, p_text text, p_metadata jsonb,
    p_said_at timestamptz, p_ended_at timestamptz, p_status text, p_reply text, p_model text, p_input integer,
    p_output integer, p_estimated boolean, p_milliseconds integer, p_tools jsonb, p_error_code text,
    p_error_message text, p_notes jsonb, p_context jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    session sessions;
BEGIN
    PERFORM become_user(p_user), set_config('rekindle.hidden_too', 'on', true);
    SELECT * INTO session FROM sessions WHERE id = p_session FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM messages m WHERE m.id = p_turn AND m.role = 'assistant')
        OR EXISTS (SELECT FROM messages m WHERE m.session_id = p_session AND m.idempotency_key = p_key) THEN
        RETURN true;
    END IF;
    IF EXISTS (SELECT FROM messages m WHERE m.session_id = p_session AND m.status = 'running') THEN
        RETURN NULL;
    END IF;
    INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, completed_at,
                          idempotency_key, metadata)
    VALUES (p_session, session.last_seq + 1, p_message, p_user, 'user', to_jsonb(p_text), 'complete', p_said_at,
            p_said_at, p_key, p_metadata),
           (p_session, session.last_seq + 2, p_turn, p_user, 'assistant', '""', 'running', p_said_at, NULL, NULL, '{}');
    UPDATE sessions SET last_seq = session.last_seq + 2, last_seen_at = greatest(last_seen_at, p_ended_at)
    WHERE id = p_session;
    -- Not refused by a quota, but counted in it.
    INSERT INTO quota_reservations
    VALUES (p_turn, p_user, (clock_timestamp() AT TIME ZONE 'UTC')::date, p_model, 0, 0);
    PERFORM finish_turn(p_user, p_session, session.last_seq + 2, 1, p_status, p_reply, p_model, p_input, p_output,
                        p_estimated, p_milliseconds, p_tools, p_error_code, p_error_message, p_notes, p_context);
    UPDATE messages m SET completed_at = p_ended_at WHERE m.session_id = p_session AND m.seq = session.last_seq + 2;
    RETURN true;
END $$;

-- Gives running turns up at once, with what they have said: another server need not wait for their leases.
CREATE FUNCTION release_turns(
    p_sessions uuid[], p_seqs integer[], p_attempts integer[], p_texts text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM checkpoint_turns(p_sessions, p_seqs, p_attempts, p_texts, interval '0');
END $$;

-- Turns whose server is gone. What was shown in part ends as interrupted; what was not is run again, three times.
-- `p_here` are those that the server has in hand itself: it was busy, or the database away, when they were due.
CREATE FUNCTION take_over_turns(
    p_server text, p_lease interval, p_window integer, p_limit integer, p_here uuid[]
) RETURNS TABLE (
    turn_id uuid, owner_id uuid, in_session uuid, turn_seq integer, turn_attempt integer, turn_status text,
    assistant_name text, recent jsonb, recalled jsonb
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM become_system();
    RETURN QUERY
    WITH due AS (
        SELECT m.session_id, m.seq FROM messages m
        WHERE m.status = 'running' AND m.lease_until <= clock_timestamp() AND m.id <> ALL (p_here)
        ORDER BY m.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE messages m SET
            status = d.becomes,
            attempt = m.attempt + CASE WHEN d.becomes = 'running' THEN 1 ELSE 0 END,
            server = p_server,
            lease_until = CASE WHEN d.becomes = 'running' THEN clock_timestamp() + p_lease END,
            completed_at = CASE WHEN d.becomes = 'running' THEN NULL ELSE clock_timestamp() END,
            error_code = CASE d.becomes WHEN 'running' THEN NULL ELSE d.becomes END,
            error_message = CASE d.becomes
                WHEN 'interrupted' THEN 'The server stopped in the middle of this answer.'
                WHEN 'failed' THEN 'The server stopped three times before this answer began.' END
        FROM (
            SELECT m2.session_id, m2.seq,
                CASE WHEN m2.cancel_requested THEN 'cancelled'
                     WHEN m2.content <> '""' THEN 'interrupted'
                     WHEN m2.attempt >= 3 THEN 'failed'
                     ELSE 'running' END AS becomes
            FROM messages m2 JOIN due USING (session_id, seq)
        ) d
        WHERE m.session_id = d.session_id AND m.seq = d.seq
        RETURNING m.*
    )
    SELECT t.id, t.user_id, t.session_id, t.seq, t.attempt, t.status, s.assistant, c.recent, c.recalled
    FROM taken t
    JOIN sessions s ON s.id = t.session_id
    CROSS JOIN LATERAL turn_context(t.session_id, t.seq, p_window, t.context_used) c;
END $$;
"""


def upgrade() -> None:
    for part in (SUMMARIES, CONTEXT, BEGIN, RUNNING):
        run(part)


def downgrade() -> None:
    run(
        """
        DROP FUNCTION take_over_turns, release_turns, store_turn, finish_turn, checkpoint_turns, retry_turn, begin_turn;
        DROP FUNCTION turn_context, recalled_summaries, kept_references;
        """
    )
