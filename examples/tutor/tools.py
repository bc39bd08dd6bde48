"""The lessons of the session's course, looked up by their words. What was found, and how well, goes with the reply:
`route`, `confidence`, `course_id`, `language` and the sources.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rekindle.assistants.assistant import Errand, Found, Source, found
from rekindle.memory.words import terms

LESSONS = Path(__file__).with_name("lessons")
_ENOUGH = 0.25
_SHOWN = 3
_SIGNS = re.compile(r"\b[A-Za-z](?:\*|\+\+|#)")
_ASKING = frozenset(terms("tell explain describe show teach work mean sirve funciona significa"))
"""Words of who asks, not of what is asked."""

__all__ = ["look_up_lesson"]


async def look_up_lesson(errand: Errand, question: str) -> Found:
    """Search the lessons of the learner's course for what answers a question about its subject.

    Status: Looking into the lessons…

    Args:
        question: The learner's question.
    """
    about = await errand.about()
    course, language = str(about.get("course_id") or "robotics-101"), str(about.get("language") or "en")
    about_it = {"course_id": course, "language": language}
    lessons = lessons_of(course, language) or lessons_of(course, "en")
    if not lessons:
        known = ", ".join(sorted(path.name for path in LESSONS.iterdir()))
        return Found(
            f"There is no course {course!r}. There are: {known}.", notes=about_it | {"route": "none", "confidence": 0.0}
        )
    best = rank(question, lessons)[:_SHOWN]
    confidence = round(best[0][0], 2) if best else 0.0
    notes = about_it | {"route": "lesson" if confidence >= _ENOUGH else "general", "confidence": confidence}
    if confidence < _ENOUGH:
        return found([], notes)
    return found([(passage.text, passage.source) for share, passage in best if share >= confidence / 2], notes)


@dataclass(frozen=True)
class Passage:
    """A paragraph of a lesson."""

    title: str
    text: str
    place: str

    @property
    def source(self) -> Source:
        """Where it stands."""
        return Source("lesson", self.title, quote=self.text[:300])


@lru_cache(maxsize=100)
def lessons_of(course: str, language: str) -> tuple[Passage, ...]:
    """The paragraphs of a course's lessons in a language; none where there is no such course."""
    if not (course.replace("-", "").isalnum() and language.isalpha()):
        return ()  # it comes from whoever made the session, and is a folder's name here
    passages = []
    for path in sorted((LESSONS / course / language).glob("*.md")):
        heading, *paragraphs = path.read_text(encoding="utf-8").split("\n\n")
        title = heading.removeprefix("# ").strip()
        passages += [Passage(title, " ".join(text.split()), path.stem) for text in paragraphs]
    return tuple(passages)


def _terms(text: str) -> set[str]:
    """The words of a text that say something, and names that are a letter and a sign: A*, D*, C++."""
    return {*terms(text), *(sign.lower() for sign in _SIGNS.findall(text))}


def rank(question: str, passages: tuple[Passage, ...]) -> list[tuple[float, Passage]]:
    """Passages with which part of the question's weight they hold, best first; rare words weigh more."""
    held = [_terms(f"{passage.title} {passage.text}") for passage in passages]
    uses = Counter(term for terms_held in held for term in terms_held)
    asked = _terms(question)
    asked = asked - _ASKING or asked
    weight = {term: math.log(1 + len(passages) / (0.5 + uses[term])) for term in asked}
    whole = sum(weight.values()) or 1.0
    rated = [
        (sum(weight[term] for term in asked & own) / whole, passage)
        for own, passage in zip(held, passages, strict=True)
    ]
    return sorted((each for each in rated if each[0] > 0), key=lambda each: -each[0])
