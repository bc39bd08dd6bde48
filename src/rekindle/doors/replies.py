"""What the doors share: a reply that did not complete is an error there."""

from rekindle.errors import Conflict, ModelError
from rekindle.sessions.service import Message


class AnswerCancelled(Conflict):
    """The answer was stopped before it was complete. What it had said is kept."""

    code = "answer_cancelled"


class AnswerFailed(ModelError):
    """The answer did not complete. The message is kept."""

    code = "answer_failed"


def completed(reply: Message) -> Message:
    """The reply, if it is complete; raises what kept it from it."""
    if reply.status == "complete":
        return reply
    if reply.status == "cancelled":
        raise AnswerCancelled(turn_id=str(reply.id))
    raise AnswerFailed(reply.error_message, turn_id=str(reply.id), reason=reply.error_code)
