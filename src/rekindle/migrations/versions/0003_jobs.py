"""The job queue's own tables, as procrastinate ships them for the version this package pins."""

from procrastinate.schema import SchemaManager

from rekindle.migrations import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run(SchemaManager.get_schema())
    run(
        """
        CREATE INDEX jobs_in_trouble ON procrastinate_jobs (status, id)
        WHERE status = 'failed' OR (status = 'todo' AND attempts > 0);
        CREATE INDEX jobs_given_up ON procrastinate_jobs (queueing_lock) WHERE status = 'failed';
        """
    )


def downgrade() -> None:
    # The queue holds only what the tables already say is to be done, so it may go.
    run(
        """
        DO $$
        DECLARE
            thing record;
        BEGIN
            FOR thing IN SELECT c.oid::regclass AS name FROM pg_class c
                         WHERE c.relname LIKE 'procrastinate%' AND c.relkind = 'r' LOOP
                EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', thing.name);
            END LOOP;
            FOR thing IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.proname LIKE 'procrastinate%' LOOP
                EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', thing.name);
            END LOOP;
            FOR thing IN SELECT t.oid::regtype AS name FROM pg_type t
                         WHERE t.typname LIKE 'procrastinate%' AND t.typtype IN ('e', 'c') LOOP
                EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', thing.name);
            END LOOP;
        END $$;
        """
    )
