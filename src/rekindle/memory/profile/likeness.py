"""When two wordings say the same thing; and digests of a wording, which tell that without holding it."""

import hashlib
import hmac
from collections.abc import Collection, Sequence

from rekindle.memory.words import COMMON_STEMS, stem, terms

DIGEST_BYTES = 8
_FRAME = frozenset({"user", "person", "they", "they're"})
_SAME = 0.75
_BARRED = 0.6
_FOUND = 0.45

TASTE = frozenset(
    stem(word)
    for word in (
        *("like", "love", "prefer", "enjoy", "hate", "dislike", "adore", "avoid", "want", "need", "stop", "quit"),
        *("longer", "anymore", "never", "cannot", "can", "drink", "eat", "use", "watch", "listen", "play"),
        *(
            "mag",
            "liebe",
            "hasse",
            "trinke",
            "esse",
            "gern",
            "gerne",
            "nicht",
            "kein",
            "keine",
            "keinen",
            "mehr",
            "nie",
        ),
    )
)
"""Stems that tell how somebody stands to a thing, and not to what."""

_HEALTH = frozenset(map(stem, ("allergic", "intolerant", "stand", "ill", "sick")))


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


def nearest(text: str, said: Sequence[str], gists: Sequence[frozenset[str]], first: Sequence[bool]) -> int | None:
    """Which of what was said a line is from, by its place; None when none holds half of its words.

    `gists` are those of `said`. Of two that fit alike, one that is among the `first` is taken, then the earlier.
    """
    stems, quote = gist(text), " ".join(text.removesuffix("…").split())
    best, found = _FOUND, None
    for place, (whole, own) in enumerate(zip(said, gists, strict=True)):
        worth = len(stems & own) / len(stems) if stems else 0.0
        if worth >= _FOUND or not stems:
            worth = (worth + (quote in " ".join(whole.split()))) * (1.0 if first[place] else 0.9)
        if worth > best or (worth == best and found is None):
            best, found = worth, place
    return found


class Bars:
    """Keyed digests of what was forgotten or corrected: the same thing is recognised, and cannot be read back."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"rekindle forgotten\0" + secret.encode()).digest()
        self._small = {self._digest(stemmed) for stemmed in COMMON_STEMS | TASTE | _HEALTH}

    def of(self, text: str) -> bytes:
        """The digests of a wording's stems, one after the other, in the order of the digests."""
        return b"".join(sorted(self._digests(text)))

    def hold(self, barred: Collection[bytes], text: str) -> bool:
        """Whether a wording says what one of these was made of, perhaps with more words around it, or half of it in
        other words: "I can't eat peanuts" of "I am allergic to peanuts".
        """
        new = self._digests(text)
        said = new - self._small
        for known in barred:
            old = {known[at : at + DIGEST_BYTES] for at in range(0, len(known), DIGEST_BYTES)}
            if not old:
                continue
            around = old <= new and (len(old) > 1 or len(new) <= len(old) + 1)
            was = old - self._small
            reworded = bool(said) and said <= was and 2 * len(said) >= len(was)
            if around or reworded or shared(old, new) >= _BARRED:
                return True
        return False

    def cover(self, barred: Collection[bytes], text: str) -> bool:
        """Whether all the words of a text are among those that one of these was made of."""
        new = self._digests(text)
        return any(
            new <= {known[at : at + DIGEST_BYTES] for at in range(0, len(known), DIGEST_BYTES)} for known in barred
        )

    def _digests(self, text: str) -> set[bytes]:
        # A text without a word (an emoji, punctuation) stands for itself.
        stems = gist(text) or {" ".join(text.split())}
        return {self._digest(stemmed) for stemmed in stems}

    def _digest(self, stemmed: str) -> bytes:
        return hmac.digest(self._key, stemmed.encode(), "sha256")[:DIGEST_BYTES]
