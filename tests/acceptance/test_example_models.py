"""The examples with a model instead of the built-in one: what it is told, and that their tools answer it."""

from typing import Any

from rekindle.assistants.folder import load_assistants
from rekindle.identity.service import Caller
from rekindle.testing import ModelServer, Reply, ToolCall
from tests.acceptance.conftest import EXAMPLES
from tests.conftest import OpenHouse, asking_settings

CALLS = {
    "assistant": ToolCall("convert", {"amount": 5, "unit": "miles", "to": "km"}),
    "insight": ToolCall("growth_over_time", {}),
    "lifeguard": ToolCall("course_price", {"course": "CPO", "people": 12}),
    "repair": ToolCall("read_guide", {"guide_id": "seven"}),
    "tutor": ToolCall("look_up_lesson", {"question": "How does odometry work?"}),
}
SEEN = {
    "assistant": "5 miles are 8.04672 kilometers.",
    "insight": "There is nothing to show yet",
    "lifeguard": "3,480.00 USD",
    "repair": 'do not fit: guide_id: Input should be a valid integer, unable to parse string as an integer"}',
    "tutor": "Odometry works out the position from how far each wheel has turned.",
}


async def test_each_is_told_its_instructions_and_has_its_tools(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    crew = load_assistants([EXAMPLES])
    house = await open_a_house(*crew, **asking_settings(model))
    await house.assistants.load(*crew)
    await house.prices.import_file(EXAMPLES / "lifeguard" / "prices.csv", "lifeguard")
    for assistant in crew:
        model.forget()
        model.script(Reply("", tool_calls=(CALLS[assistant.name],)), Reply("That is what I found."))
        session = await house.sessions.start(caller, assistant=assistant.name)
        turn = await house.conversation.say(caller, session.id, "Tell me.")
        reply = await house.conversation.outcome(caller, turn.id)
        assert reply.content == "That is what I found."
        assert reply.tools_used is not None
        assert reply.tools_used[0]["name"] == CALLS[assistant.name].name
        assert bool(reply.tools_used[0]["error"]) == (assistant.name == "repair")
        first, second = (request.body["messages"] for request in model.requests[:2])
        assert assistant.instructions in str(first[0]["content"])
        result: dict[str, Any] = second[-1]
        assert result["role"] == "tool"
        assert SEEN[assistant.name] in str(result["content"])
