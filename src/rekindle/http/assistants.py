"""`/api/v1/assistants`: who answers here."""

from fastapi import APIRouter
from pydantic import BaseModel

from rekindle.assistants.assistant import Assistant
from rekindle.http.caller import HouseDep
from rekindle.http.shapes import Page

router = APIRouter(prefix="/api/v1/assistants", tags=["assistants"])


class AssistantOut(BaseModel):
    """An assistant as people meet it; sessions are begun with it by its `name`."""

    name: str
    title: str
    description: str | None
    greeting: str | None
    suggestions: list[str]

    @classmethod
    def of(cls, assistant: Assistant) -> "AssistantOut":
        """The shape of an assistant. What it is told and what it can reach is nobody's business."""
        return cls(
            name=assistant.name,
            title=assistant.title or assistant.name,
            description=assistant.description,
            greeting=assistant.greeting,
            suggestions=list(assistant.suggestions),
        )


@router.get("")
async def list_assistants(house: HouseDep) -> Page[AssistantOut]:
    """Who answers here, the first one first: a session is with it unless another is named."""
    return Page[AssistantOut](items=[AssistantOut.of(assistant) for assistant in house.crew])
