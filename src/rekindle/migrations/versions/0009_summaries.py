"""Rolling summaries: what left the window of a session that goes on."""

from rekindle.migrations import fence, run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run(
        """
        -- Each version covers the messages from `first_seq` through `through_seq`; the newest is the one that is used.
        CREATE TABLE rolling_summaries (
            session_id uuid NOT NULL,
            version integer NOT NULL,
            user_id uuid NOT NULL,
            first_seq integer NOT NULL,
            through_seq integer NOT NULL CHECK (through_seq >= first_seq),
            summary text NOT NULL,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (session_id, version),
            FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
        );
        CREATE INDEX rolling_summaries_user ON rolling_summaries (user_id);
        """
    )
    fence("rolling_summaries")


def downgrade() -> None:
    run("DROP TABLE rolling_summaries")  # made from the messages, and made anew from them
