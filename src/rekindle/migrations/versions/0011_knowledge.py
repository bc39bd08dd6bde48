"""Documents, chunks, links, courses and prices."""

from rekindle.migrations import run, scalar

revision = "0011"
down_revision = "0010"

ASIDE = "rekindle_set_aside_knowledge"
TABLE_NAMES = ("knowledge_sources", "documents", "chunks", "links", "courses", "price_individual", "price_group")

# Nothing here is a person's: no row is fenced. `assistant` is whose it is; null: every assistant's.
TABLES = """
CREATE TABLE knowledge_sources (
    id uuid PRIMARY KEY,
    assistant text,
    location text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('file', 'folder', 'site')),
    options jsonb NOT NULL DEFAULT '{}',
    queued_at timestamptz,  -- another run is asked for and has not begun
    started_at timestamptz,
    seen_at timestamptz,  -- a run's last sign of life
    finished_at timestamptz,
    failed boolean NOT NULL DEFAULT false,
    outcome jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (assistant, location)
);

CREATE TABLE documents (
    id uuid PRIMARY KEY,
    source_id uuid NOT NULL REFERENCES knowledge_sources ON DELETE CASCADE,
    assistant text,
    uri text NOT NULL,
    url text,
    path text,
    title text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('html', 'markdown', 'text', 'pdf')),
    content_hash bytea NOT NULL,
    size_bytes bigint NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (assistant, uri)
);
CREATE INDEX documents_source ON documents (source_id, uri);
CREATE INDEX documents_uri ON documents (uri);
CREATE INDEX documents_path ON documents USING hash (path);
CREATE INDEX documents_url ON documents USING hash (url);

-- `words` holds stems made by Rekindle itself, with their places: A of titles, B of headings, D of the text.
CREATE TABLE chunks (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    assistant text,
    seq integer NOT NULL,
    heading text NOT NULL DEFAULT '',
    content text NOT NULL,
    words tsvector NOT NULL,
    word_count integer NOT NULL,
    embedding vector,
    embedding_model text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (document_id, seq)
);
CREATE INDEX chunks_words ON chunks USING gin (words) WITH (fastupdate = off);
CREATE INDEX chunks_embedding_model ON chunks (embedding_model, id);
CREATE INDEX chunks_assistant ON chunks (assistant);
-- A search of few reads each vector: what is beside it in the row moves out before it does.
ALTER TABLE chunks ALTER embedding SET STORAGE MAIN;

CREATE TABLE links (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    seq integer NOT NULL,
    url text NOT NULL,
    text text NOT NULL DEFAULT '',
    UNIQUE (document_id, seq)
);

CREATE TABLE courses (
    id uuid PRIMARY KEY,
    assistant text,
    name text NOT NULL,
    code text,
    description text,
    url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX courses_name ON courses (assistant, lower(name)) NULLS NOT DISTINCT;

CREATE TABLE price_individual (
    id uuid PRIMARY KEY,
    course_id uuid NOT NULL REFERENCES courses ON DELETE CASCADE,
    price numeric NOT NULL CHECK (price >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from date,
    valid_to date,
    CHECK (valid_from <= valid_to)
);
CREATE INDEX price_individual_course ON price_individual (course_id);

CREATE TABLE price_group (
    id uuid PRIMARY KEY,
    course_id uuid NOT NULL REFERENCES courses ON DELETE CASCADE,
    min_people integer NOT NULL CHECK (min_people > 0),
    max_people integer CHECK (max_people >= min_people),
    price numeric NOT NULL CHECK (price >= 0),
    per text NOT NULL DEFAULT 'person' CHECK (per IN ('person', 'group')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from date,
    valid_to date,
    CHECK (valid_from <= valid_to)
);
CREATE INDEX price_group_course ON price_group (course_id);
"""

WIDTHS = (384, 512, 768, 1024, 1536, 3072)
"""An index of nearest neighbours holds vectors of one width; those of another are compared one by one."""


def upgrade() -> None:
    if scalar(f"SELECT to_regclass('{ASIDE}.documents') IS NOT NULL"):
        for table in TABLE_NAMES:
            run(f"ALTER TABLE {ASIDE}.{table} SET SCHEMA public")
        run(f"DROP SCHEMA {ASIDE}")
    else:
        run(TABLES)
    # An index under a filter is of use since pgvector can go on scanning (0.8).
    if scalar(
        r"SELECT regexp_match(extversion, '^(\d+)\.(\d+)')::integer[] >= '{0,8}' FROM pg_extension "
        "WHERE extname = 'vector'"
    ):
        for width in WIDTHS:
            run(
                f"""
                CREATE INDEX chunks_near_{width} ON chunks USING hnsw ((embedding::halfvec({width})) halfvec_cosine_ops)
                WHERE vector_dims(embedding) = {width}
                """
            )
    run(f"GRANT SELECT ON {', '.join(TABLE_NAMES)} TO rekindle_app")
    run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLE_NAMES)} TO rekindle_system")


def downgrade() -> None:
    # A document's folder may be gone since, and its vectors have cost something.
    for width in WIDTHS:
        run(f"DROP INDEX IF EXISTS chunks_near_{width}")
    run(f"CREATE SCHEMA {ASIDE}")
    for table in TABLE_NAMES:
        run(f"ALTER TABLE public.{table} SET SCHEMA {ASIDE}")
