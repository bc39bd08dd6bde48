"""`rekindle ingest` and `rekindle prices`, as people run them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cli.conftest import OpenTerminal, Rekindle, command

Rows = Callable[..., list[tuple[Any, ...]]]

COUNT = "SELECT count(*) FROM documents WHERE assistant = %s"


def write(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.md").write_text(f"# Hut {number}\n\nHut {number} has {number + 2} beds and a stove.\n")


def test_documents_come_in_and_again_only_where_they_changed(rekindle: Rekindle, tmp_path: Path, rows: Rows) -> None:
    write(tmp_path / "huts", 30)
    (tmp_path / "huts" / "broken.pdf").write_bytes(b"%PDF nothing")
    first = rekindle("ingest", "huts", "--assistant", "one")
    assert first.returncode == 1
    assert "huts: 30 new, 0 changed, 0 as they were, 0 gone; wrote 30 passages and 0 links." in first.stdout
    assert "there is no embedder" in first.stdout
    assert "Left out huts/broken.pdf: It cannot be read as pdf" in first.stderr
    (tmp_path / "huts" / "broken.pdf").unlink()
    (tmp_path / "huts" / "0003.md").write_text("# Hut 3\n\nIt burnt down.\n")
    (tmp_path / "huts" / "0004.md").unlink()
    again = rekindle("ingest", "huts", "--assistant", "one")
    assert again.returncode == 0, again.stderr
    assert "0 new, 1 changed, 28 as they were, 1 gone; wrote 1 passage" in again.stdout
    assert rows(COUNT, "one") == [(29,)]
    forgotten = rekindle("ingest", "--forget", "huts", "--assistant", "one")
    assert "Forgot 29 documents" in forgotten.stdout
    assert rows(COUNT, "one") == [(0,)]


def test_a_place_that_is_not_there_or_not_allowed_is_said_in_a_line(rekindle: Rekindle, tmp_path: Path) -> None:
    write(tmp_path / "huts", 1)
    done = rekindle("ingest", "nowhere", "http://127.0.0.1:1/", "huts", "--assistant", "two")
    assert done.returncode == 1
    assert "Left out nowhere: There is no file or folder nowhere." in done.stderr
    assert "REKINDLE_FETCH_ALLOW" in done.stderr
    assert "huts: 1 new" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_killed_run_goes_on_and_a_terminal_shows_how_far_it_is(
    rekindle: Rekindle, terminal: OpenTerminal, environment: Mapping[str, str], tmp_path: Path, rows: Rows
) -> None:
    write(tmp_path / "huts", 1500)
    process = subprocess.Popen(
        command("ingest", "huts", "--assistant", "three"),
        env=dict(environment),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 30
    while not (here := rows(COUNT, "three")[0][0]):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    here = rows(COUNT, "three")[0][0]
    assert 0 < here < 1500
    screen = terminal("ingest", "huts", "--assistant", "three")
    screen.until("/1500", "documents")
    screen.until_it_leaves()
    assert rows(COUNT, "three") == [(1500,)]
    [outcome] = rows("SELECT outcome FROM knowledge_sources WHERE assistant = 'three'")[0]
    assert (outcome["unchanged"], outcome["added"]) == (here, 1500 - here)


def test_a_price_list_is_taken_whole_or_not_at_all(rekindle: Rekindle, tmp_path: Path, rows: Rows) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(
        "course,kind,price,currency\nRowing,individual,10.50,EUR\nSailing,individual,free,EUR\n,individual,1,EUR\n"
        + "\n" * 95
        + "Rowing,individual,-1,EUR\n" * 100
    )
    refused = rekindle("prices", "import", "prices.csv", "--assistant", "four")
    assert refused.returncode == 1
    assert "prices.csv:3: `price` is 'free'; it should be digits and a point, such as 165.00." in refused.stderr
    assert "prices.csv:4: `course`" in refused.stderr
    assert "prices.csv:100: `price` is '-1'" in refused.stderr  # `:100:` is an emoji to who prints it
    assert "And 2 more." in refused.stderr
    assert rows("SELECT count(*) FROM courses WHERE assistant = 'four'") == [(0,)]
    file.write_text("course,kind,price,currency,min_people\nRowing,individual,10.50,EUR,\nRowing,group,8.25,EUR,3\n")
    taken = rekindle("prices", "import", "prices.csv", "--assistant", "four")
    assert taken.stdout == "1 individual price and 1 group price: 1 course new, 0 changed, 0 as they were, 0 gone.\n"
    told = rekindle("prices", "show", "rowing", "3", "--assistant", "four")
    assert told.stdout == "Rowing for 3 people: 24.75 EUR in all, 8.25 EUR each (price for a group of 3 or more).\n"


HIDES = """
import importlib.machinery as machinery
found = machinery.PathFinder.find_spec
hidden = ("trafilatura", "selectolax", "pypdf", "protego")
machinery.PathFinder.find_spec = lambda name, *more: None if name in hidden else found(name, *more)
"""


def test_without_the_extra_text_and_markdown_are_read_and_the_rest_says_what_to_install(
    environment: Mapping[str, str], tmp_path: Path, rows: Rows
) -> None:
    write(tmp_path / "huts", 1)
    (tmp_path / "huts" / "notes.txt").write_text("The stove burns wood.")
    (tmp_path / "huts" / "page.html").write_text("<p>The stove burns wood.</p>")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(HIDES)
    done = subprocess.run(
        command("ingest", "huts", "http://127.0.0.1:1/", "--assistant", "five"),
        env={**environment, "PYTHONPATH": str(tmp_path / "without")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Reading HTML needs trafilatura and selectolax: pip install 'rekindle[knowledge]'" in done.stderr
    assert "Reading a site needs protego" in done.stderr
    assert rows(COUNT, "five") == [(2,)]
