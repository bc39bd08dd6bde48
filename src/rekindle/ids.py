"""Identifiers: UUIDv7, so that ids sort by the time they were made (RFC 9562)."""

import hashlib
import os
import time
from datetime import datetime
from uuid import UUID


def uuid7(when: datetime | None = None, *, seed: str | None = None) -> UUID:
    """A new UUIDv7, of now unless `when` is given; the same `when` and `seed` give the same id."""
    milliseconds = time.time_ns() // 1_000_000 if when is None else int(when.timestamp() * 1000)
    noise = os.urandom(10) if seed is None else hashlib.sha256(seed.encode()).digest()[:10]
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(noise, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def parse_uuid(text: str) -> UUID | None:
    """The UUID that `text` spells, or None: a malformed id is an unknown id."""
    try:
        return UUID(text)
    except ValueError:
        return None
