"""The house in a program of one's own."""

from pathlib import Path

import pytest
import structlog

from rekindle.house import open_house
from tests.conftest import make_settings


async def test_what_it_logs_is_not_among_what_the_program_prints(
    conninfo: str, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config() if structlog.is_configured() else {}
    structlog.reset_defaults()
    try:
        async with open_house(make_settings(conninfo, data_dir), work=False):
            structlog.get_logger().info("retention.done")
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "retention.done" in printed.err
    finally:
        structlog.reset_defaults()
        if before:
            structlog.configure(**before)
