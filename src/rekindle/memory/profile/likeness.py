"""When two wordings say the same thing; and digests of a wording, which tell that without holding it."""

import hashlib
import hmac
from collections.abc import Collection

from rekindle.memory.words import terms

DIGEST_BYTES = 8
_FRAME = frozenset({"user", "person", "they", "they're"})
_SAME = 0.75
_BARRED = 0.6


def gist(text: str) -> frozenset[str]:
    """The stems that a wording comes down to."""
    return frozenset(terms(text)) - _FRAME


def shared(one: Collection[object], other: Collection[object]) -> float:
    """What part of two gists is in both: 1 when they are the same, 0 for nothing."""
    together = len(set(one) | set(other))
    return len(set(one) & set(other)) / together if together else 0.0


def are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two gists are one thing in other words."""
    return bool(one) and shared(one, other) >= _SAME


class Bars:
    """Keyed digests of what was forgotten or corrected: the same thing is recognised, and cannot be read back."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"rekindle forgotten\0" + secret.encode()).digest()

    def of(self, text: str) -> bytes:
        """The digests of a wording's stems, one after the other, in the order of the digests."""
        return b"".join(sorted(self._digests(text)))

    def hold(self, barred: Collection[bytes], text: str) -> bool:
        """Whether a wording says what one of these was made of, perhaps with more words around it."""
        new = self._digests(text)
        for known in barred:
            old = {known[at : at + DIGEST_BYTES] for at in range(0, len(known), DIGEST_BYTES)}
            if not old:
                continue
            around = old <= new and (len(old) > 1 or len(new) <= len(old) + 1)
            if around or shared(old, new) >= _BARRED:
                return True
        return False

    def _digests(self, text: str) -> set[bytes]:
        # A text without a word (an emoji, punctuation) stands for itself.
        stems = gist(text) or {" ".join(text.split())}
        return {hmac.digest(self._key, stem.encode(), "sha256")[:DIGEST_BYTES] for stem in stems}
