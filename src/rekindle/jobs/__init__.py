"""Work that follows, queued in PostgreSQL."""
