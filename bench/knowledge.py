"""What bringing in documents and searching them costs: `python -m bench.knowledge`. Prints a table.

So many small documents (10,000 unless `--documents`) are brought in from a folder, again with one changed and one
removed, and searched; by words, and with the built-in embedder where its weights are, whose time is told apart. Memory
is the largest this process has held beyond what it held before.
"""

import argparse
import random
import re
import resource
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.fresh import fresh_house, run
from rekindle.house import House
from rekindle.knowledge.search.service import Search
from rekindle.knowledge.service import Knowledge, Outcome
from rekindle.memory.embedder import built_in
from rekindle.memory.minilm import MiniLM
from rekindle.settings import Settings

QUERIES = 100
HERE = Path(__file__).parent.parent


class Timed:
    """An embedder, and how long it has worked."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model
        self.name = model.name
        self.seconds = 0.0

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        began = time.perf_counter()
        try:
            return await self._model.embed(texts)
        finally:
            self.seconds += time.perf_counter() - began

    async def aclose(self) -> None:
        await self._model.aclose()


def write(folder: Path, count: int) -> None:
    """Documents of about 60 words, common and rare as in a language: those of our own documents, then made-up ones.

    The embedder takes as long as a text has tokens: English words have one or two, made-up ones three.
    """
    folder.mkdir()
    chance = random.Random(4)
    told = " ".join(path.read_text() for part in ("docs", "examples") for path in sorted(HERE.glob(f"{part}/**/*.md")))
    letters = "bcdfghklmnprstvz"
    words = [word for word, _ in Counter(re.findall("[a-z]{3,}", told.lower())).most_common()]
    words += ["".join(chance.choice(letters) + chance.choice("aeiou") for _ in range(3)) for _ in range(20_000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    for number in range(count):
        text = " ".join(chance.choices(words, weights, k=60))
        (folder / f"{number:05}.md").write_text(f"# Note {number} on {words[number % len(words)]}\n\n{text}.\n")


async def one_way(house: House, folder: Path, embedder: Timed | None, table: Table, count: int) -> None:
    """One way of bringing in and searching."""
    way = "words and meaning" if embedder else "words"
    knowledge = Knowledge(house.database, Search(house.database, embedder), house.fetcher, house.studies)

    async def ingest(what: str, expected: tuple[int, int, int]) -> Outcome:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent, processor, began = embedder.seconds if embedder else 0.0, time.process_time(), time.perf_counter()
        outcome = await knowledge.ingest(folder, way)
        took, own = time.perf_counter() - began, (embedder.seconds if embedder else 0.0) - spent
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert (outcome.added, outcome.changed, outcome.removed) == expected, outcome
        processor = time.process_time() - processor
        table.add_row(
            way,
            what,
            f"{took:.1f} s",
            f"{own:.1f} s",
            f"{processor:.1f} s",
            f"{count / took:,.0f}/s",
            f"+{grown:,.0f} MB",
        )
        return outcome

    changed, removed = folder / "00017.md", folder / "00019.md"
    texts = changed.read_text(), removed.read_text()
    await ingest("bring in", (count, 0, 0))
    changed.write_text("# Note 17\n\nIt says something else now.\n")
    removed.unlink()
    await ingest("again: one changed, one removed", (0, 1, 1))
    changed.write_text(texts[0])
    removed.write_text(texts[1])

    chance = random.Random(7)
    times = []
    for _ in range(QUERIES):
        words = (folder / f"{chance.randrange(count):05}.md").read_text().split()
        began = time.perf_counter()
        found = await knowledge.search(" ".join(chance.sample(words[5:], 5)), way)
        times.append((time.perf_counter() - began) * 1000)
        assert found.hits
    slow = sorted(times)[int(QUERIES * 0.95)]
    table.add_row(way, f"a search: median {statistics.median(times):.1f} ms, 95 % within {slow:.1f} ms", *[""] * 5)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--words-alone", action="store_true", help="Leave the embedder out.")
    arguments = parser.parse_args()
    table = Table(title=f"{arguments.documents:,} documents")
    for column in ("way", "what", "time", "embedding", "processor", "documents", "memory"):
        table.add_column(column, justify="left" if column in ("way", "what") else "right")
    async with fresh_house(embedder_dir=Settings().embedder_folder) as house:
        folder = house.settings.data_dir / "documents"
        write(folder, arguments.documents)
        await one_way(house, folder, None, table, arguments.documents)
        model = None if arguments.words_alone else built_in(house.settings)
        if model:
            await one_way(house, folder, Timed(model), table, arguments.documents)
    Console(width=160).print(table)


if __name__ == "__main__":
    run(main())
