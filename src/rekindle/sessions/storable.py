"""What a host program gives to be kept: text and JSON as PostgreSQL can store it, or a plain refusal."""

import json
import re
from typing import Any

from rekindle.errors import InvalidRequest

MOST_CHARS = 1_000_000
"""Of a message and what is kept beside it: no export could be brought in whose messages are longer."""
MOST_TITLE_CHARS = 300
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL as `json.dumps` writes it; a backslash that was said is two."""


def check_storable(*values: Any) -> None:
    """Raise `InvalidRequest` where they are not JSON, hold what is no text (NUL, half of a surrogate pair), or are too
    long.
    """
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("This holds half of a surrogate pair, which is no text.") from error
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"This is not JSON: {error}.") from error
    if len(text) > MOST_CHARS:
        raise InvalidRequest(f"This is longer than {MOST_CHARS:,} characters.")
    if _NUL.search(text):
        raise InvalidRequest("This holds NUL, which is no text.")


def check_title(title: str | None) -> None:
    """Raise `InvalidRequest` for a title that is too long."""
    if title and len(title) > MOST_TITLE_CHARS:
        raise InvalidRequest(f"A title has at most {MOST_TITLE_CHARS} characters.")
