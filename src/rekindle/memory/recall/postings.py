"""Which lines hold a word."""

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
Words = NDArray[np.uint32]
Lines = NDArray[np.uint16]


class Postings:
    """The words of lines, fewer than 65,536.

    Sorted when they are asked for a second time: many a past is searched but once, and sorting takes longer than that.
    """

    def __init__(self, words: Words, counts: Lines) -> None:
        """`words` of one line after the other, as numbers; `counts`, how many there are of each."""
        self._counts = counts
        self._asked = False
        self._kept: tuple[Words, Lines | None] = words, None
        """The words, and the line of each where they are sorted: in one, as another thread may be asking too."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes, once sorted."""
        words, _ = self._kept
        return 6 * len(words)

    @property
    def words(self) -> Words:
        """The words of one line after the other, those of a line in any order."""
        words, line = self._kept
        return words if line is None else words[np.argsort(line, kind="stable")]

    def lines(self, wanted: Words) -> list[Places]:
        """Where each of these words is: the places of lines, in order, as often as it is in them."""
        words, line = self._kept
        if line is None and self._asked:
            words, line = self._kept = _sorted(words, self._counts)
        self._asked = True
        if line is None:
            ends = np.cumsum(self._counts)
            return [np.searchsorted(ends, np.flatnonzero(words == word), side="right") for word in wanted]
        starts, ends = (np.searchsorted(words, wanted, side).tolist() for side in ("left", "right"))
        return [line[start:end].astype(np.intp) for start, end in zip(starts, ends, strict=True)]


def _sorted(words: Words, counts: Lines) -> tuple[Words, Lines]:
    # In one number each, which a processor sorts three times as fast as it does places.
    pairs = words.astype(np.uint64) << np.uint64(16) | np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    pairs.sort()
    return (pairs >> np.uint64(16)).astype(np.uint32), pairs.astype(np.uint16)
