"""The log of servers and workers tells where an error came from, and repeats nothing that somebody said."""

import logging
import subprocess
import sys

import psycopg
import pytest
from pydantic import BaseModel

from rekindle.cli.logs import Discreet, traced

SAID = "my own words"


class Shape(BaseModel):
    number: int


def a_fault(conninfo: str) -> BaseException:
    """What PostgreSQL makes of a row that it refuses, after pydantic has refused a value, in a group."""

    def store() -> None:
        with psycopg.connect(conninfo) as connection:
            connection.execute("CREATE TEMPORARY TABLE kept (text text CHECK (text = ''))")
            try:
                Shape.model_validate({"number": SAID})
            except ValueError:
                connection.execute("INSERT INTO kept VALUES (%s)", (SAID,))

    with pytest.raises(psycopg.errors.CheckViolation, match=SAID) as refused:
        store()
    assert SAID in str(refused.value.__context__)
    return ExceptionGroup(SAID, [refused.value])


def test_an_error_is_told_by_its_place_and_its_kind(conninfo: str) -> None:
    told = traced(a_fault(conninfo))
    assert SAID not in told
    assert "tests/cli/test_logs.py" in told
    for kind in ("ExceptionGroup", "psycopg.errors.CheckViolation", "pydantic_core._pydantic_core.ValidationError"):
        assert kind in told


def test_of_what_libraries_log_there_is_the_first_line_and_the_place(conninfo: str) -> None:
    error = a_fault(conninfo)
    info = (type(error), error, error.__traceback__)
    text = "Task exception was never retrieved\nfuture: <Task exception=%r>"
    record = logging.LogRecord("asyncio", logging.ERROR, __file__, 1, text, (error,), info)
    told = Discreet("%(levelname)s %(name)s: %(message)s").format(record)
    assert told.startswith("ERROR asyncio: Task exception was never retrieved\n")
    assert "CheckViolation" in told
    assert SAID not in told


def test_of_what_libraries_warn_of_there_is_one_line() -> None:
    warns = f"import warnings; warnings.warn('Did not fit:\\n  {SAID}')"
    program = f"from rekindle.cli.logs import server_logs; server_logs(); {warns}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING py.warnings: <string>:1: UserWarning: Did not fit:\n"
