"""Erasure reaches the job queue too."""

from rekindle.migrations import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run(
        """
        -- Of its definer: nobody but the queue itself has a right to its tables.
        CREATE FUNCTION forget_jobs(p_user uuid) RETURNS bigint LANGUAGE sql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
            WITH gone AS (
                DELETE FROM procrastinate_jobs j WHERE j.args ->> 'user_id' = p_user::text RETURNING 1
            ) SELECT count(*) FROM gone
        $$;
        REVOKE ALL ON FUNCTION forget_jobs FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION forget_jobs TO rekindle_system;
        """
    )


def downgrade() -> None:
    run("DROP FUNCTION forget_jobs")
