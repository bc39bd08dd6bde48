"""SQL of knowledge: documents, chunks, links."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow, vector
from rekindle.ids import uuid7
from rekindle.knowledge.passages import Passage
from rekindle.knowledge.reading import Kind, Link

WIDTHS = (384, 512, 768, 1024, 1536, 3072)
"""Widths of vectors that have an index; migration 0011 makes them."""

SCOPE = "(%(assistant)s::text IS NULL OR c.assistant IS NULL OR c.assistant = %(assistant)s)"
"""What one assistant may look up: its own, and what is every assistant's."""


@dataclass(frozen=True, slots=True)
class Document(FromRow):
    """A document, without its text. `embedded`: how many of its chunks the asked-for model has seen."""

    id: UUID
    source_id: UUID
    assistant: str | None
    title: str
    url: str | None
    path: str | None
    kind: Kind
    size_bytes: int
    chunks: int
    embedded: int
    links: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Chunk(FromRow):
    """A passage of a document, as it is kept."""

    id: UUID
    seq: int
    heading: str
    content: str
    embedding_model: str | None


@dataclass(frozen=True, slots=True)
class KeptLink(FromRow):
    """A link, whose it is, and the document it leads to where that is here too."""

    id: UUID
    document_id: UUID
    document_title: str
    url: str
    text: str
    target_id: UUID | None


@dataclass(frozen=True, slots=True)
class Known:
    """A document as its source's next run finds it."""

    id: UUID
    digest: bytes
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A document to be written, whole."""

    uri: str
    url: str | None
    path: str | None
    title: str
    kind: Kind
    digest: bytes
    size: int
    passages: Sequence[Passage]
    links: Sequence[Link]
    metadata: dict[str, Any] = field(default_factory=dict)


async def list_known(connection: Connection, source_id: UUID) -> dict[str, Known]:
    """The documents of a source by their uri."""
    cursor = await connection.execute(
        "SELECT id, uri, content_hash, metadata FROM documents WHERE source_id = %s", (source_id,)
    )
    return {row["uri"]: Known(row["id"], row["content_hash"], row["metadata"]) for row in await cursor.fetchall()}


async def list_link_urls(connection: Connection, document_id: UUID) -> list[str]:
    """Where a document points to."""
    cursor = await connection.execute("SELECT url FROM links WHERE document_id = %s ORDER BY seq", (document_id,))
    return [row["url"] for row in await cursor.fetchall()]


async def write_documents(
    connection: Connection,
    source_id: UUID,
    assistant: str | None,
    documents: Sequence[Written],
    embeddings: Sequence[Sequence[float]] | None,
    model: str | None,
) -> None:
    """Write documents whole: what was kept of them before is replaced. `embeddings`: of all passages in a row."""
    cursor = connection.cursor()
    await cursor.executemany(
        """
        INSERT INTO documents AS d
            (id, source_id, assistant, uri, url, path, title, kind, content_hash, size_bytes, metadata)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (assistant, uri) DO UPDATE SET
            source_id = excluded.source_id, url = excluded.url, path = excluded.path, title = excluded.title,
            kind = excluded.kind, content_hash = excluded.content_hash, size_bytes = excluded.size_bytes,
            metadata = excluded.metadata, updated_at = now()
        RETURNING d.id
        """,
        [
            (new_id, source_id, assistant, d.uri, d.url, d.path, d.title, d.kind, d.digest, d.size, Jsonb(d.metadata))
            for new_id, d in zip(_new_ids(len(documents)), documents, strict=True)
        ],
        returning=True,
    )
    ids: list[UUID] = []
    while True:
        ids += [row["id"] for row in await cursor.fetchall()]
        if not cursor.nextset():
            break
    await connection.execute("DELETE FROM chunks WHERE document_id = ANY (%s)", (ids,))
    await connection.execute("DELETE FROM links WHERE document_id = ANY (%s)", (ids,))
    vectors = iter(embeddings or ())
    passages = [
        (document_id, seq, passage)
        for document_id, document in zip(ids, documents, strict=True)
        for seq, passage in enumerate(document.passages, 1)
    ]
    chunks = [
        (new_id, document_id, assistant, seq, p.heading, p.content, p.words, p.word_count)
        + ((vector(next(vectors)), model) if embeddings else (None, None))
        for new_id, (document_id, seq, p) in zip(_new_ids(len(passages)), passages, strict=True)
    ]
    await connection.cursor().executemany(
        """
        INSERT INTO chunks
            (id, document_id, assistant, seq, heading, content, words, word_count, embedding, embedding_model)
        VALUES (%s, %s, %s, %s, %s, %s, %s::tsvector, %s, %s::vector, %s)
        """,
        chunks,
    )
    links = [
        (document_id, seq, link.url, link.text)
        for document_id, document in zip(ids, documents, strict=True)
        for seq, link in enumerate(document.links, 1)
    ]
    await connection.cursor().executemany(
        "INSERT INTO links (id, document_id, seq, url, text) VALUES (%s, %s, %s, %s, %s)",
        [(new_id, *link) for new_id, link in zip(_new_ids(len(links)), links, strict=True)],
    )


def _new_ids(count: int) -> list[UUID]:
    """Ids in the order in which rows are written, also within a millisecond."""
    return sorted(uuid7() for _ in range(count))


async def delete_documents(connection: Connection, ids: Sequence[UUID]) -> int:
    """Forget documents with their chunks and links; how many were there."""
    return await _count(
        connection,
        "WITH gone AS (DELETE FROM documents WHERE id = ANY (%(ids)s) RETURNING 1) SELECT count(*) AS n FROM gone",
        {"ids": list(ids)},
    )


_DOCUMENTS = """
    FROM documents d WHERE (%(assistant)s::text IS NULL OR d.assistant = %(assistant)s)
      AND (%(source)s::uuid IS NULL OR d.source_id = %(source)s) AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
      AND (%(query)s::text IS NULL OR position(lower(%(query)s) IN lower(concat_ws(' ', d.title, d.url, d.path))) > 0)
"""


async def list_documents(
    connection: Connection, filters: dict[str, Any], model: str | None, after: UUID | None, limit: int
) -> list[Document]:
    """Documents, newest first. `filters`: assistant, source, kind and query, each or None."""
    cursor = await connection.execute(
        f"""
        SELECT d.*, c.chunks, c.embedded, (SELECT count(*) FROM links l WHERE l.document_id = d.id) AS links
        FROM (SELECT d.* {_DOCUMENTS} AND (%(after)s::uuid IS NULL OR d.id < %(after)s)
              ORDER BY d.id DESC LIMIT %(limit)s) d,
        LATERAL (SELECT count(*) AS chunks, count(*) FILTER (WHERE embedding_model = %(model)s) AS embedded
                 FROM chunks WHERE document_id = d.id) c
        ORDER BY d.id DESC
        """,
        {**filters, "model": model, "after": after, "limit": limit},
    )
    return [Document.from_row(row) for row in await cursor.fetchall()]


async def count_documents(connection: Connection, filters: dict[str, Any]) -> int:
    return await _count(connection, f"SELECT count(*) AS n {_DOCUMENTS}", filters)


async def find_document(connection: Connection, document_id: UUID, model: str | None) -> Document | None:
    cursor = await connection.execute(
        """
        SELECT d.*, c.chunks, c.embedded, (SELECT count(*) FROM links l WHERE l.document_id = d.id) AS links
        FROM documents d, LATERAL (
            SELECT count(*) AS chunks, count(*) FILTER (WHERE embedding_model = %s) AS embedded
            FROM chunks WHERE document_id = d.id) c
        WHERE d.id = %s
        """,
        (model, document_id),
    )
    row = await cursor.fetchone()
    return Document.from_row(row) if row else None


async def list_chunks(connection: Connection, document_id: UUID, after: int, limit: int) -> list[Chunk]:
    """The chunks of a document in order."""
    cursor = await connection.execute(
        "SELECT * FROM chunks WHERE document_id = %s AND seq > %s ORDER BY seq LIMIT %s", (document_id, after, limit)
    )
    return [Chunk.from_row(row) for row in await cursor.fetchall()]


_LINKS = """
    FROM links l WHERE (%(document)s::uuid IS NULL OR l.document_id = %(document)s)
      AND (%(query)s::text IS NULL OR position(lower(%(query)s) IN lower(concat_ws(' ', l.url, l.text))) > 0)
"""


async def list_links(
    connection: Connection, document: UUID | None, query: str | None, after: UUID | None, limit: int
) -> list[KeptLink]:
    """Links, newest first."""
    cursor = await connection.execute(
        f"""
        SELECT l.id, l.document_id, d.title AS document_title, l.url, l.text, coalesce(
            (SELECT t.id FROM documents t
             WHERE t.uri = l.url AND t.assistant IS NOT DISTINCT FROM d.assistant LIMIT 1),
            (SELECT t.id FROM documents t WHERE t.path = l.url AND t.source_id = d.source_id LIMIT 1),
            (SELECT t.id FROM documents t WHERE t.url = l.url AND t.source_id = d.source_id LIMIT 1)) AS target_id
        FROM (SELECT l.* {_LINKS} AND (%(after)s::uuid IS NULL OR l.id < %(after)s)
              ORDER BY l.id DESC LIMIT %(limit)s) l JOIN documents d ON d.id = l.document_id
        ORDER BY l.id DESC
        """,
        {"document": document, "query": query, "after": after, "limit": limit},
    )
    return [KeptLink.from_row(row) for row in await cursor.fetchall()]


async def count_links(connection: Connection, document: UUID | None, query: str | None) -> int:
    return await _count(connection, f"SELECT count(*) AS n {_LINKS}", {"document": document, "query": query})


async def _count(connection: Connection, query: Any, values: dict[str, Any]) -> int:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    assert row is not None
    count: int = row["n"]
    return count
