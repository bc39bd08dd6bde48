"""examples/tutor: a course in its language; where an answer is from goes with it, as door 003 keeps it."""

from pathlib import Path

from rekindle import SessionManager
from tests.acceptance.conftest import Served, tools_of
from tests.conftest import make_settings


async def test_it_explains_the_lessons_and_says_how_sure_it_is(served: Served, email: str, tmp_path: Path) -> None:
    talk = served.talk(email, "tutor", language="en", course_id="robotics-101")
    reply = talk.say("What does the I term of a PID controller do?")
    assert "The I term adds up the error over time" in reply["content"]
    assert "look_up_lesson" in tools_of(reply)
    noted = reply["metadata"]
    assert (noted["route"], noted["language"], noted["course_id"]) == ("lesson", "en", "robotics-101")
    assert 0.5 < noted["confidence"] <= 1
    assert noted["sources"][0]["title"] == "Feedback control and the PID controller"

    about = talk.say("Tell me about robotics")
    assert "Robotics is the science" in about["content"]
    assert about["metadata"]["sources"][0]["title"] == "Robotics: what a robot is"
    signed = talk.say("how does A* work")
    assert "A* does the same but goes first where way so far plus estimated rest is smallest" in signed["content"]
    assert signed["metadata"]["sources"][0]["title"] == "Planning a path"
    other = talk.say("Who won the football cup?")["metadata"]
    assert (other["route"], other.get("sources")) == ("general", None)
    assert other["confidence"] < 0.25

    settings = make_settings(served.server.environment["REKINDLE_DATABASE_URL"], tmp_path)
    async with SessionManager(use_redis=False, db=settings) as manager:
        info = await manager.get_session_info(talk.session_id)
        kept = await manager.get_messages(talk.session_id)
    assert info is not None
    assert info["metadata"] == {"language": "en", "course_id": "robotics-101"}
    assert [message["role"] for message in kept] == ["user", "assistant"] * 4
    assert kept[1]["metadata"] == noted


def test_the_session_s_language_and_course_decide(served: Served, email: str) -> None:
    reply = served.talk(email, "tutor", language="es", course_id="robotics-101").say("¿Qué hace el término I del PID?")
    assert "El término I suma el error con el tiempo" in reply["content"]
    assert reply["metadata"]["language"] == "es"
    escape = served.talk(email, "tutor", language="en", course_id="../../lifeguard").say("What is a rip current?")
    assert "There is no course '../../lifeguard'" in escape["content"]
    assert (escape["metadata"]["route"], escape["metadata"]["course_id"]) == ("none", "../../lifeguard")
    assert escape["metadata"]["route"] == "none"
