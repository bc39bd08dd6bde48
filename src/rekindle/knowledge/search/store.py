"""SQL of the search in documents, and of the vectors it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rekindle.database import Connection, vector
from rekindle.knowledge.store import SCOPE, WIDTHS

COMMON = 2_000
"""A word in so many chunks is common: it ranks what other words have found."""
_READ_TOGETHER = 5_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many chunks there are, how many of them an assistant may look up, how many words one has on average."""

    chunks: int
    own: int
    words: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that may answer. `found`: for each stem of the question in it, a letter for each place: A, B or D."""

    id: UUID
    document_id: UUID
    title: str
    url: str | None
    path: str | None
    heading: str
    content: str
    word_count: int
    nearness: float | None
    found: dict[str, str]


async def measure(connection: Connection, assistant: str | None) -> Sizes:
    cursor = await connection.execute(
        f"SELECT count(*) AS chunks, count(*) FILTER (WHERE {SCOPE}) AS own, "
        "coalesce(avg(word_count), 1)::float8 AS words FROM chunks c",
        {"assistant": assistant},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Sizes(**row)


async def has_any(connection: Connection, assistant: str | None) -> bool:
    """Whether there is anything this assistant may look up."""
    cursor = await connection.execute(
        f"SELECT EXISTS (SELECT FROM documents c WHERE {SCOPE}) AS found", {"assistant": assistant}
    )
    row = await cursor.fetchone()
    return bool(row and row["found"])


async def count_holding(connection: Connection, queries: Sequence[str]) -> list[int]:
    """In how many chunks each of these words is, counted up to COMMON."""
    cursor = await connection.execute(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM chunks c WHERE c.words @@ a.query::tsquery LIMIT %s) x) AS n
        FROM unnest(%s::text[]) WITH ORDINALITY AS a (query, place) ORDER BY a.place
        """,
        (COMMON, list(queries)),
    )
    return [row["n"] for row in await cursor.fetchall()]


async def list_by_words(
    connection: Connection, queries: Sequence[str], weights: Sequence[float], assistant: str | None, limit: int
) -> list[UUID]:
    """The chunks that hold the most of these words, by weight."""
    cursor = await connection.execute(
        f"""
        SELECT c.id FROM unnest(%(queries)s::text[], %(weights)s::float8[]) AS a (query, weight)
        JOIN chunks c ON c.words @@ a.query::tsquery
        WHERE {SCOPE} GROUP BY c.id ORDER BY sum(a.weight) DESC, c.id LIMIT %(limit)s
        """,
        {"queries": list(queries), "weights": list(weights), "assistant": assistant, "limit": limit},
    )
    return [row["id"] for row in await cursor.fetchall()]


async def list_holding_all(
    connection: Connection, queries: Sequence[str], assistant: str | None, limit: int
) -> list[UUID]:
    """Of the chunks that hold all of these words, those where they stand best."""
    cursor = await connection.execute(
        f"""
        SELECT c.id FROM (
            SELECT c.id, c.words FROM chunks c WHERE c.words @@ %(all)s::tsquery AND {SCOPE} LIMIT {_READ_TOGETHER}) c
        ORDER BY ts_rank(c.words, %(all)s::tsquery, 1) DESC, c.id LIMIT %(limit)s
        """,
        {"all": " & ".join(queries), "assistant": assistant, "limit": limit},
    )
    return [row["id"] for row in await cursor.fetchall()]


async def list_nearest(
    connection: Connection, asked: Sequence[float], model: str, assistant: str | None, limit: int, *, index: bool
) -> list[UUID]:
    """The chunks nearest in meaning: by the `index` where vectors of this width have one, else each compared."""
    width = len(asked)
    indexed = f"::halfvec({width})" if index and width in WIDTHS and await _goes_on_scanning(connection) else ""
    cursor = await connection.execute(
        f"""
        SELECT c.id FROM chunks c
        WHERE vector_dims(c.embedding) = {width} AND c.embedding_model = %(model)s AND {SCOPE}
        ORDER BY c.embedding{indexed} <=> %(asked)s::vector{indexed} LIMIT %(limit)s
        """,
        {"asked": vector(asked), "model": model, "assistant": assistant, "limit": limit},
    )
    return [row["id"] for row in await cursor.fetchall()]


async def _goes_on_scanning(connection: Connection) -> bool:
    """Let an index go on where a filter leaves too few rows; False before pgvector 0.8, where there is no index."""
    cursor = await connection.execute(
        "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true) FROM pg_extension WHERE extname = 'vector' "
        r"AND regexp_match(extversion, '^(\d+)\.(\d+)')::integer[] >= '{0,8}'"
    )
    return await cursor.fetchone() is not None


async def list_candidates(
    connection: Connection, ids: Sequence[UUID], terms: Sequence[str], asked: Sequence[float] | None, model: str | None
) -> list[Candidate]:
    """What is ranked, and shown, of these chunks."""
    cursor = await connection.execute(
        """
        SELECT c.id, c.document_id, d.title, d.url, d.path, c.heading, c.content, c.word_count,
            CASE WHEN c.embedding_model = %(model)s AND vector_dims(c.embedding) = %(width)s
                 THEN 1 - (c.embedding <=> %(asked)s::vector) END AS nearness,
            coalesce((SELECT jsonb_object_agg(t.lexeme, array_to_string(t.weights, ''))
                      FROM unnest(c.words) t WHERE t.lexeme = ANY (%(terms)s)), '{}') AS found
        FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.id = ANY (%(ids)s)
        """,
        {
            "ids": list(ids),
            "terms": list(terms),
            "asked": None if asked is None else vector(asked),
            "model": None if asked is None else model,
            "width": None if asked is None else len(asked),
        },
    )
    return [Candidate(**row) for row in await cursor.fetchall()]


# --- vectors ---

_OTHERS = """
    SELECT id, document_id, heading, content, embedding_model FROM chunks WHERE embedding_model IS NULL
    UNION ALL SELECT id, document_id, heading, content, embedding_model FROM chunks WHERE embedding_model < %(model)s
    UNION ALL SELECT id, document_id, heading, content, embedding_model FROM chunks WHERE embedding_model > %(model)s
"""
"""Chunks that another model has embedded, or none: three looks into an index, however many are done."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A chunk that lacks its vector."""

    id: UUID
    title: str
    heading: str
    content: str
    model: str | None


async def list_bare(connection: Connection, model: str, limit: int) -> list[Bare]:
    cursor = await connection.execute(
        f"""
        SELECT c.id, d.title, c.heading, c.content, c.embedding_model AS model
        FROM ({_OTHERS} LIMIT %(limit)s) c JOIN documents d ON d.id = c.document_id
        """,
        {"model": model, "limit": limit},
    )
    return [Bare(**row) for row in await cursor.fetchall()]


async def count_bare(connection: Connection, model: str) -> tuple[int, int]:
    """How many chunks lack a vector of this model, and how many there are."""
    cursor = await connection.execute(
        "SELECT count(*) FILTER (WHERE embedding_model IS DISTINCT FROM %s) AS bare, count(*) AS n FROM chunks",
        (model,),
    )
    row: dict[str, Any] | None = await cursor.fetchone()
    assert row is not None
    return row["bare"], row["n"]


async def update_embeddings(
    connection: Connection, chunks: Sequence[Bare], embeddings: Sequence[Sequence[float]], model: str
) -> int:
    """Keep vectors of chunks that are still as they were; how many."""
    cursor = await connection.execute(
        """
        WITH kept AS (
            UPDATE chunks c SET embedding = v.embedding::vector, embedding_model = %s
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS v (id, embedding, content, model)
            WHERE c.id = v.id AND c.content = v.content AND c.embedding_model IS NOT DISTINCT FROM v.model RETURNING 1
        ) SELECT count(*) AS n FROM kept
        """,
        (
            model,
            [chunk.id for chunk in chunks],
            [vector(embedding) for embedding in embeddings],
            [chunk.content for chunk in chunks],
            [chunk.model for chunk in chunks],
        ),
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0
