"""Documents on disk: a file, or all those below a folder."""

import hashlib
import os
import stat
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
    """The documents at a place, in order; `others`: how many files are of no kind that is read; `closed`: folders that
    cannot be looked into, and why.

    Paths are told from `root` on: they say where something stands, and nothing of this machine.
    """

    kind: Literal["file", "folder"]
    root: Path
    files: tuple[Path, ...]
    others: int = 0
    closed: tuple[tuple[Path, str], ...] = ()

    def told(self, path: Path) -> str:
        """A path as it is told."""
        return _text(path.relative_to(self.root))

    def hides(self, uri: str) -> bool:
        """Whether a document may be there all the same, in a folder that cannot be looked into."""
        return any(uri.startswith(_text(folder) + os.sep) for folder, _ in self.closed)


def place_of(location: Path) -> str:
    """A place as a source is known by it, from wherever and however it is named."""
    return os.path.normpath(location.expanduser().absolute())


def list_files(location: Path) -> Listing:
    """What there is to read at `location`. Hidden files and links that lead elsewhere are passed over.

    Raises `NotFound`.
    """
    root = Path(place_of(location))
    if root.is_file():
        return Listing("file", root.parent, (root,))
    if not root.is_dir():
        raise NotFound(f"There is no file or folder {location}.")
    real = Path(os.path.realpath(root))
    found: list[Path] = []
    closed: list[OSError] = []
    others = 0
    for folder, folders, files in os.walk(root, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or (path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real)):
                continue
            if path.suffix.lower() in SUFFIXES and _is_file(path):
                found.append(path)
            else:
                others += 1
    return Listing(
        "folder",
        root.parent,
        tuple(found),
        others,
        tuple((Path(error.filename), f"It cannot be opened: {error.strerror}.") for error in closed),
    )


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:  # reading it says so, and keeps what was read before
        return True
    except OSError:
        return False


async def items(listing: Listing, reader: Reader) -> AsyncIterator[Item]:
    """The documents of a listing, one at a time."""
    for path in listing.files:
        yield FileItem(path, listing.told(path), reader)


def _text(path: Path) -> str:
    return clean(os.fsencode(path).decode(errors="replace"))


class FileItem(Item):
    """A file: its bytes are hashed first, and read as a document only where they have changed."""

    def __init__(self, file: Path, path: str, reader: Reader) -> None:
        self._file = file
        self._reader = reader
        self.uri = _text(file)
        self.path = path
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
        return await self._reader.read(self._body, self.kind, _text(Path(self._file.stem)), path=self.path)
