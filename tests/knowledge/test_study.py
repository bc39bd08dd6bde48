"""Who looks something up while an assistant's folder is being read waits for that, but not for ever."""

import asyncio

import pytest

from rekindle.knowledge.study import Studies


@pytest.mark.parametrize("where", ["in the job", "in the asking"])
async def test_a_folder_that_takes_too_long_is_waited_for_no_longer(where: str) -> None:
    async def is_studying(_: str) -> bool:
        return where == "in the job" or await asyncio.Event().wait()

    studies = Studies(is_studying, seconds=0.2)
    studies.begin("ann")
    assert studies.under_way("ann")
    async with asyncio.timeout(10):
        await studies.over("ann")
    assert not studies.under_way("ann")


async def test_a_folder_that_has_been_read_is_asked_about_no_more() -> None:
    answers = [False, True]

    async def is_studying(_: str) -> bool:
        return answers.pop()

    studies = Studies(is_studying, seconds=60)
    studies.begin("ann")
    for assistant in ("ann", "ann", "bob", None):
        await studies.over(assistant)
    assert answers == []
