"""What is kept of messages for search."""

from rekindle.migrations import fence, run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run(
        """
        -- All but the tokens is read whole by each search of its user, so it stays in the row, uncompressed; tokens are
        -- read in slices, of which PostgreSQL can fetch a part only when they are not compressed either.
        CREATE TABLE recall_blocks (
            session_id uuid NOT NULL,
            block integer NOT NULL,
            user_id uuid NOT NULL,
            through_seq integer NOT NULL,
            model text,
            meaning text,
            stamp bigint NOT NULL DEFAULT (random() * 9007199254740992)::bigint,
            people text NOT NULL,
            facts bytea NOT NULL,
            words bytea NOT NULL,
            pooled bytea NOT NULL,
            tokens bytea NOT NULL,
            PRIMARY KEY (session_id, block) INCLUDE (through_seq, model, meaning),
            FOREIGN KEY (session_id, user_id) REFERENCES sessions (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
        ) WITH (toast_tuple_target = 8160);
        -- What is not kept yet, or by another model, is looked for each minute: in the key, without reading the blocks.
        ALTER TABLE recall_blocks
            ALTER facts SET STORAGE EXTERNAL, ALTER words SET STORAGE EXTERNAL,
            ALTER pooled SET STORAGE EXTERNAL, ALTER tokens SET STORAGE EXTERNAL;
        -- A search compares stamps to know whether anything has changed, and reads blocks in this order.
        CREATE INDEX recall_blocks_user ON recall_blocks (user_id, session_id, block) INCLUDE (through_seq, stamp);
        """
    )
    fence("recall_blocks")


def downgrade() -> None:
    run("DROP TABLE recall_blocks")  # made from the messages, and made anew from them
