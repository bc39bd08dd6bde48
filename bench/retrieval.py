"""How well search finds the past: `python -m bench.retrieval FILE…`. No model writes or judges anything.

Each FILE is a JSON list of talks, `{id, speakers, sessions, turns, questions}` as the importer reads them, with
`questions: [{id, q, cat, gold: [turn id]}]`. Each talk is imported as the past of its first speaker into a database of
its own, kept for search, and asked all its questions. Prints, over questions of a category and their mean (macro):

- N@10: NDCG of the first ten hits, each gold turn worth the same;
- R@10: the share of a question's gold turns among the first ten.

And what it costs: milliseconds of wall time a search, bytes a message in the table and its index, messages kept for
search a CPU second of this process. `--scale N` measures searches among N messages of one user instead.

`--leave-one-out` says whether weights fitted to questions would be better ones: for each talk, the weights that suit
the others best are chosen, and both these and those that are set are scored on that talk, which had no say.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.fresh import run
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.memory.minilm import MiniLM
from rekindle.memory.recall import store
from rekindle.memory.recall.past import all_of
from rekindle.memory.recall.postings import Places
from rekindle.memory.recall.question import read
from rekindle.memory.recall.ranking import COMPARED, WEIGHTS, Weights, look, match, summed, weigh
from rekindle.memory.recall.ranking import Scores as Scores32
from rekindle.sessions.locomo import Talk, as_past, read_talks
from rekindle.settings import Settings

Scores = dict[str, list[tuple[float, float]]]
"""NDCG@10 and recall@10 of each question, by category."""


def score(found: list[str], gold: list[str]) -> tuple[float, float]:
    ranks = [rank for rank, line in enumerate(found[:10]) if line in gold]
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(gold))))
    return sum(1 / math.log2(rank + 2) for rank in ranks) / ideal, len(ranks) / len(gold)


async def bring_in(house: House, talk: Talk) -> tuple[Caller, dict[Any, str]]:
    """The talk as its first speaker's past: whose it is, and the line that each message is."""
    person = talk.people[0]
    user = (await house.identity.recognise(person.email, name=person.name)).user
    lines = {}
    for sitting in talk.sittings:
        session, messages = as_past(talk, sitting, person, user.id, "assistant")
        await house.sessions.bring_in(session, messages)
        lines.update({message.id: (message.metadata or {})["line"] for message in messages})
    return Caller(user.id, "verified"), lines


async def quality(house: House, files: list[Path], console: Console) -> None:
    table = Table("", "N@10", "R@10", "questions")
    searches = kept = 0
    search_seconds = cpu_seconds = 0.0
    for file in files:
        by_category: Scores = defaultdict(list)
        questions = questions_by_talk(file)
        for talk in read_talks(file):
            assert isinstance(talk, Talk), talk
            caller, lines = await bring_in(house, talk)
            began = time.process_time()
            kept += await house.recall.catch_up()
            cpu_seconds += time.process_time() - began
            for question in questions[talk.id]:
                if not question["gold"]:
                    continue
                began = time.perf_counter()
                hits = await house.recall.search(caller, question["q"], limit=10)
                search_seconds += time.perf_counter() - began
                searches += 1
                by_category[question["cat"]].append(score([lines[hit.message.id] for hit in hits], question["gold"]))
        means = {
            category: [sum(column) / len(scores) for column in zip(*scores, strict=True)]
            for category, scores in by_category.items()
        }
        for category, (ndcg, recall) in sorted(means.items()):
            table.add_row(f"  {category}", f"{100 * ndcg:.1f}", f"{100 * recall:.1f}", str(len(by_category[category])))
        ndcg, recall = (sum(column) / len(means) for column in zip(*means.values(), strict=True))
        count = sum(map(len, by_category.values()))
        table.add_row(f"[bold]{file.stem}, macro", f"[bold]{100 * ndcg:.1f}", f"[bold]{100 * recall:.1f}", str(count))
    console.print(table)
    size = await table_bytes(house)
    console.print(
        f"{1000 * search_seconds / searches:.1f} ms a search, {size / kept:,.0f} bytes a message, "
        f"{kept / cpu_seconds:,.0f} messages a CPU second, "
        f"{'by meaning' if house.recall.by_meaning else 'by words alone'}"
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose candidates are weighed, but not summed: `gold` are the places of the right ones among them."""

    file: str
    talk: str
    category: str
    signs: dict[str, Scores32]
    sessions: Places
    gold: list[int]
    golds: int

    def score(self, weights: Weights) -> tuple[float, float]:
        """NDCG@10 and recall@10 by these weights."""
        order = np.argsort(-summed(self.signs, self.sessions, weights), kind="stable")[:10].tolist()
        ranks = [rank for rank, place in enumerate(order) if place in self.gold]
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, self.golds)))
        return sum(1 / math.log2(rank + 2) for rank in ranks) / ideal, len(ranks) / self.golds


async def weighed(house: House, file: Path) -> list[Question]:
    """The questions of a file, each among the candidates that search finds for it."""
    folder = Settings().embedder_folder
    model, found = MiniLM(folder), []
    questions = questions_by_talk(file)
    for talk in read_talks(file):
        assert isinstance(talk, Talk), talk
        caller, lines = await bring_in(house, talk)
        await house.recall.catch_up()
        async with house.database.transaction(caller.user_id) as connection:
            past = all_of(await store.find_packed(connection, caller.user_id))
            cursor = await connection.execute("SELECT session_id, seq, id FROM messages")
            names = {(row["session_id"].bytes, row["seq"]): lines[row["id"]] for row in await cursor.fetchall()}
        for question in questions[talk.id]:
            if not question["gold"]:
                continue
            asked = read(question["q"], (speaker for speaker in past.speakers if speaker), past.names)
            first, as_asked = model.questions([asked.first_person, asked.text])
            looked = look(past, asked, match(past, asked), {model.name: first.whole}, past.length > 0)
            compared = looked.lines[:COMPARED]
            async with house.database.transaction(caller.user_id) as connection:
                tokens = await store.find_tokens(connection, past.token_slices(compared, model.name))
            signs = weigh(past, looked, (first, as_asked), tokens)
            places = zip(past.session_bytes(compared), past.seqs(compared).tolist(), strict=True)
            gold = [number for number, place in enumerate(places) if names[place] in question["gold"]]
            sessions = past.session[compared]
            golds = len(question["gold"])
            found.append(Question(file.stem, talk.id, question["cat"], signs, sessions, gold, golds))
    return found


def macro(questions: list[Question], weights: Weights) -> tuple[float, float]:
    """The mean over categories, in hundredths."""
    by_category: Scores = defaultdict(list)
    for question in questions:
        by_category[question.category].append(question.score(weights))
    means = [[sum(column) / len(scores) for column in zip(*scores, strict=True)] for scores in by_category.values()]
    ndcg, recall = (100 * sum(column) / len(means) for column in zip(*means, strict=True))
    return ndcg, recall


def fitted(questions: list[Question]) -> Weights:
    """The weights, each in turn tried at nothing, half, and half as much again, that suit these questions best."""

    def good(weights: Weights) -> float:
        by_file = {question.file for question in questions}
        return sum(sum(macro([q for q in questions if q.file == file], weights)) for file in by_file)

    best, most = WEIGHTS, good(WEIGHTS)
    for name in (field.name for field in fields(Weights)):
        for factor in (0.0, 0.5, 1.5):
            tried = replace(best, **{name: factor * getattr(WEIGHTS, name)})
            if (worth := good(tried)) > most:
                best, most = tried, worth
    return best


async def leave_one_out(house: House, files: list[Path], console: Console) -> None:
    """What the weights that are set, and those that suit the other talks best, find in each talk."""
    questions = [question for file in files for question in await weighed(house, file)]
    table = Table("left out", "as set: N@10", "R@10", "fitted to the others: N@10", "R@10", "questions")
    chosen = {}
    for talk in dict.fromkeys(question.talk for question in questions):
        chosen[talk] = fitted([question for question in questions if question.talk != talk])
        own = [question for question in questions if question.talk == talk]
        figures = (*macro(own, WEIGHTS), *macro(own, chosen[talk]))
        table.add_row(talk, *(f"{figure:.1f}" for figure in figures), str(len(own)))
    for file in dict.fromkeys(question.file for question in questions):
        own = [question for question in questions if question.file == file]
        by_category: Scores = defaultdict(list)
        for question in own:
            by_category[question.category].append(question.score(chosen[question.talk]))
        means = [[sum(column) / len(scores) for column in zip(*scores, strict=True)] for scores in by_category.values()]
        figures = (*macro(own, WEIGHTS), *(100 * sum(column) / len(means) for column in zip(*means, strict=True)))
        table.add_row(f"[bold]{file}, macro", *(f"[bold]{figure:.1f}" for figure in figures), str(len(own)))
    console.print(table)


async def scale(house: House, file: Path, count: int, console: Console) -> None:
    """Searches among so many messages of one user: the file's talks over and over, kept once and copied."""
    talks = [talk for talk in read_talks(file) if isinstance(talk, Talk)]
    asked = questions_of(file)[:50]
    caller, lines = await bring_in(house, talks[0])
    await house.recall.catch_up()
    async with house.database.system() as connection:
        cursor = await connection.execute("SELECT id FROM sessions WHERE user_id = %s ORDER BY id", (caller.user_id,))
        originals = [row["id"] for row in await cursor.fetchall()]
    for _ in range(count // len(lines) - 1):
        async with house.database.system() as connection:
            for original in originals:
                of = {"copy": uuid7(), "of": original}
                for sql in COPIES:
                    await connection.execute(sql, of)
    async with house.database.connection() as connection:
        await connection.execute("VACUUM ANALYZE")  # as autovacuum does in time
    table = Table(
        f"{count:,} messages of one user", "CPU here", "CPU of PostgreSQL", "wall", title="median milliseconds"
    )

    last = await last_session(house, caller)

    async def search(question: str) -> None:
        await house.recall.search(caller, question)

    async def nothing() -> None:
        pass

    async def clear() -> None:
        house.recall.shelf.clear()

    async def keep_and_say() -> None:
        await house.recall.index(caller.user_id, last)
        async with house.database.system() as connection:
            await connection.execute(SAY, {"session": last, "message": uuid7()})

    async def say_and_keep() -> None:
        await keep_and_say()
        await house.recall.index(caller.user_id, last)

    async def floor(_: str) -> None:
        async with house.database.transaction(caller.user_id) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(
                "SELECT string_agg(facts, '') AS f, string_agg(words, '') AS w, string_agg(pooled, '') AS p "
                "FROM recall_blocks"
            )
            await cursor.fetchone()

    model = MiniLM(house.settings.embedder_folder)

    async def reading(question: str) -> None:
        model.questions([question, question])

    for name, before, once in (
        ("the model reading the question, part of each search", nothing, reading),
        ("a search, nothing in memory", clear, search),
        ("a search, once the past is in memory", nothing, search),
        ("a search, after something new was said and kept", say_and_keep, search),
        ("a search, after something new was said, not kept yet", keep_and_say, search),
        ("the floor: a bare SELECT of the same bytes", nothing, floor),
    ):
        for question in asked[:6]:  # statements are prepared when they are met again
            await before()
            await once(question)
        serving = await backends(house)
        spent = []
        for question in asked:
            await before()
            began = time.process_time(), cpu_of(serving), time.perf_counter()
            await once(question)
            ended = time.process_time(), cpu_of(serving), time.perf_counter()
            spent.append([1000 * (end - start) for start, end in zip(began, ended, strict=True)])
        table.add_row(name, *(f"{statistics.median(column):.1f}" for column in zip(*spent, strict=True)))
    console.print(table)
    console.print(f"{house.recall.shelf.nbytes / count:,.0f} bytes a message in memory")


async def last_session(house: House, caller: Caller) -> UUID:
    """The newest session of a user."""
    async with house.database.transaction(caller.user_id) as connection:
        cursor = await connection.execute("SELECT id FROM sessions ORDER BY id DESC LIMIT 1")
        row = await cursor.fetchone()
    assert row
    found: UUID = row["id"]
    return found


async def backends(house: House) -> list[int]:
    """The processes of PostgreSQL that serve this house."""
    async with house.database.connection() as connection:
        cursor = await connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'rekindle'")
        return [row["pid"] for row in await cursor.fetchall()]


def cpu_of(pids: list[int]) -> float:
    """Seconds that processes of this machine have worked; 0 where Linux does not tell."""
    paths = [path for pid in pids if (path := Path(f"/proc/{pid}/schedstat")).exists()]
    return sum(int(path.read_text().split()[0]) for path in paths) / 1e9


COPIES = (
    """
    INSERT INTO sessions (id, user_id, assistant, last_seq, started_at, last_seen_at, ended_at, titled_at)
    SELECT %(copy)s, user_id, assistant, last_seq, started_at, last_seen_at, ended_at, now()
    FROM sessions WHERE id = %(of)s
    """,
    """
    INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, metadata)
    SELECT %(copy)s, seq, gen_random_uuid(), user_id, role, content, status, created_at, metadata
    FROM messages WHERE session_id = %(of)s
    """,
    """
    INSERT INTO recall_blocks
    SELECT %(copy)s, block, user_id, through_seq, model, meaning, (random() * 9007199254740992)::bigint,
        people, facts, words, pooled, tokens
    FROM recall_blocks WHERE session_id = %(of)s
    """,
)


SAY = """
    WITH said AS (UPDATE sessions SET last_seq = last_seq + 1 WHERE id = %(session)s RETURNING *)
    INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at)
    SELECT id, last_seq, %(message)s, user_id, 'user', '"My bicycle has a flat tyre again."', 'complete', last_seen_at
    FROM said
"""


def questions_by_talk(file: Path) -> dict[str, list[dict[str, Any]]]:
    return {talk["id"]: talk["questions"] for talk in json.loads(file.read_bytes())}


def questions_of(file: Path) -> list[str]:
    return [question["q"] for questions in questions_by_talk(file).values() for question in questions]


async def table_bytes(house: House) -> int:
    async with house.database.system() as connection:
        cursor = await connection.execute("SELECT pg_total_relation_size('recall_blocks') AS size")
        row = await cursor.fetchone()
    assert row
    return int(row["size"])


async def main() -> None:
    parser = argparse.ArgumentParser(description="How well search finds the past, and what it costs.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--scale", type=int, help="measure the cost among so many messages of one user")
    parser.add_argument("--leave-one-out", action="store_true", help="are weights fitted to other talks better?")
    given = parser.parse_args()
    console = Console()
    weights = Settings().embedder_folder
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), model="offline", embedder_dir=weights, embedding_model=None, database_pool=2
        )
        async with open_house(settings, work=False) as house:
            if given.leave_one_out:
                await leave_one_out(house, given.files, console)
            elif given.scale:
                await scale(house, given.files[0], given.scale, console)
            else:
                await quality(house, given.files, console)


if __name__ == "__main__":
    run(main())
