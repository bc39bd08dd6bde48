"""Documents on disk: a file, or all those below a folder."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rekindle.assistants.text import clean
from rekindle.errors import NotFound
from rekindle.knowledge.apart import Reader
from rekindle.knowledge.ingest import Item, digest_of
from rekindle.knowledge.reading import MAX_BYTES, SUFFIXES, Read, Unreadable


@dataclass(frozen=True, slots=True)
class Listing:
    """The documents at a place, in order; `others`: how many files are of no kind that is read.

    Paths are told from `root` on: they say where something stands, and nothing of this machine.
    """

    kind: Literal["file", "folder"]
    root: Path
    files: tuple[Path, ...]
    others: int


def place_of(location: Path) -> str:
    """A place as a source is known by it, from wherever and however it is named."""
    return os.path.normpath(location.expanduser().absolute())


def list_files(location: Path) -> Listing:
    """What there is to read at `location`. Hidden files and links that lead elsewhere are passed over.

    Raises `NotFound`.
    """
    root = Path(place_of(location))
    if root.is_file():
        return Listing("file", root.parent, (root,), 0)
    if not root.is_dir():
        raise NotFound(f"There is no file or folder {location}.")
    real = root.resolve()
    found: list[Path] = []
    others = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or (path.is_symlink() and not path.resolve().is_relative_to(real)):
                continue
            if path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
            else:
                others += 1
    return Listing("folder", root.parent, tuple(found), others)


async def items(listing: Listing, reader: Reader) -> AsyncIterator[Item]:
    """The documents of a listing, one at a time."""
    for path in listing.files:
        yield FileItem(path, path.relative_to(listing.root), reader)


class FileItem(Item):
    """A file: its bytes are hashed first, and read as a document only where they have changed."""

    def __init__(self, file: Path, path: Path, reader: Reader) -> None:
        self._file = file
        self._reader = reader
        self.uri = clean(os.fsencode(file).decode(errors="replace"))
        self.path = clean(os.fsencode(path).decode(errors="replace"))
        self.url = None
        self.kind = SUFFIXES.get(file.suffix.lower(), "text")
        self.size = 0
        self._body = b""

    def digest(self) -> bytes:
        """What tells this state of it from others. Raises `Unreadable`."""
        try:
            with self._file.open("rb") as opened:
                self._body = opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(f"It cannot be opened: {error.strerror}.") from error
        self.size = len(self._body)
        return digest_of(hashlib.sha256(self._body).digest(), self.kind)

    async def read(self) -> Read:
        """It as a document. Raises `Unreadable`."""
        name = clean(os.fsencode(self._file.stem).decode(errors="replace"))
        return await self._reader.read(self._body, self.kind, name, path=self.path)
