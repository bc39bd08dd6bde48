"""What a host program gives to be kept: text and JSON as PostgreSQL can store it, or a plain refusal."""

import json
import re
from typing import Any

from rekindle.errors import InvalidRequest

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL as `json.dumps` writes it; a backslash that was said is two."""


def check_storable(*values: Any) -> None:
    """Raise `InvalidRequest` where one of them is not JSON, or holds what is no text: NUL, half of a surrogate pair."""
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("This holds half of a surrogate pair, which is no text.") from error
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"This is not JSON: {error}.") from error
    if _NUL.search(text):
        raise InvalidRequest("This holds NUL, which is no text.")
