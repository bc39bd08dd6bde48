"""What the offline model answers: plain sentences around quotes, nothing of its own making."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rekindle.assistants.past import (
    Quote,
    Record,
    asks_when,
    find,
    is_personal,
    is_telling,
    key_stems,
    said_here,
    wants,
    without_echoes,
)
from rekindle.assistants.voice import INTRODUCTION, warning
from rekindle.memory.cues import Cue, cues, is_order, is_question, is_small_talk
from rekindle.memory.extract import excerpt, quoted, shorten
from rekindle.memory.phrases import key_phrases
from rekindle.memory.words import sentences, words

_MORE = "I make nothing up, so what nobody has told me I cannot say."

_ASKS_FOR = re.compile(
    r"^(?:please |can you |could you |would you )*(?:tell|write|explain|give|show|find|continue|help|list|make|"
    r"translate|convert|count|read|play|"
    r"remind(?! me to\b)|recommend|suggest|compare|calculate|describe|draw|create|generate|fix|book|search|look up|"
    r"summari[sz]e|recap|check|get|go on|resume|pick up|what|who|when|where|why|how|which)\b",
    re.IGNORECASE,
)
_WHO_ARE_YOU = re.compile(
    r"\b(?:who|what) are you\b|\bwhat can you do\b|\bare you (?:a |an |real|human|chatgpt|gpt|ai)|\bwhich model\b|"
    r"\bwhat(?:['’]s| is) your name\b|\bhow do you work\b",
    re.IGNORECASE,
)
_OVERVIEW = re.compile(
    r"\b(?:what|which things) (?:did|have|do) (?:we|i|you) (?:\w+ ){0,2}?(?:talk|discuss|speak|chat|cover|remember|"
    r"know|say|tell|ask)\w*(?: (?:you|me|about me|about us|of me|so far|before|about|last time|here|today|earlier|"
    r"previously|in the past|already))*\s*\??$|\b(?:do|can) you remember (?:me|us|anything|our (?:last )?(?:talk|chat|"
    r"conversation|session)s?)\b|\blast time\??$|\bwhere (?:were we|did we (?:leave|stop))|"
    r"^(?:please )?(?:summari[sz]e|recap|sum up)(?: (?:this|our|the|it|what|conversation|chat|talk|session|so far|"
    r"please|all|we|said))*[.!?]*$|\bwhat do you know about me\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\bhow (?:can|could|should|would|might|do) (?:I|we)\b|\bwhat (?:can|could|should|shall|must) (?:I|we) \w+|"
    r"\bwhat do (?:I|we) (?:do|need)\b|"
    r"\bwhat now\b|\b(?:do|will|would) (?:I|we) (?:have|need) to\b|\bwhat (?:if|happens)\b|\bcan (?:I|we)\b",
    re.IGNORECASE,
)
"""What somebody should do, which they have not told themselves."""
_SENTENCE_WORDS = """
i i'm i've i'd me my mine we we're our us you your he she it it's they his her their this that is are am was were be
been has have had will would can could should may do does did don't not no yes ok okay thanks thank remind hi hello hey
from now always never
"""
_OF_A_SENTENCE = frozenset(_SENTENCE_WORDS.split())
"""Words of somebody who tells something."""
_OF_THE_MOMENT = re.compile(
    r"\b(?:it is|it['’]s|time\b[^.!?]{0,30}? is)\b[^.!?]{0,20}?\b\d{1,2}:\d{2}\b", re.IGNORECASE
)
"""The time of day, which an answer told when it was given."""
_THANKS = re.compile(
    r"\b(?:thank|thanks|thx|cheers|danke|merci|gracias|obrigad|grazie)|谢谢|ありがとう|شكرا", re.IGNORECASE
)
_GREETING = re.compile(
    r"\b(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening)|hallo|bonjour|hola|ciao|olá)\b|"
    r"你好|こんにちは|مرحبا",
    re.IGNORECASE,
)
_BYE = re.compile(r"\b(?:bye|goodbye|see (?:you|ya)|good night|tschüss|au revoir|adiós|ciao)\b|再见", re.IGNORECASE)
_DID_I = re.compile(r"\b(?:did|had) (?:I|we)\b", re.IGNORECASE)
_GO_ON = re.compile(
    r"^(?:please |let['’]?s |let us |can we |could we )*(?:continue|go on|carry on|resume|pick up)\b", re.IGNORECASE
)
_ASKED_WHAT_I_ASKED = re.compile(r"\bdid I ask\b|\bI asked\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool returned: pieces of text, best first, each with its source or an empty one."""

    tool: str
    pieces: tuple[tuple[str, str], ...]
    failed: bool = False
    fits: bool = True
    """Whether what it returned shares telling words with the message."""
    of_the_past: bool = False
    """Whether the tool looks into what the user said before."""


def answer(
    message: str, earlier: Sequence[tuple[str, str]], records: Sequence[Record], found: Sequence[Found] = ()
) -> str:
    """The answer to a message, after the (role, text) pairs of this session and the records of what came before.

    `found` is what tools returned for it. Never empty.
    """
    opening = not any(role == "assistant" for role, _ in earlier)
    if warned := warning(message):
        return f"{warned}\n\n{INTRODUCTION}" if opening else warned
    here = [*said_here(earlier)[::-1], *(quote for record in records if record.date is None for quote in record.quotes)]
    past = [
        quote
        for record in records
        if record.date is not None
        for quote in record.quotes
        if quote.by != "assistant" or not _OF_THE_MOMENT.search(quote.text)
    ]
    sessions = [record for record in records if record.kind == "summary"]
    lines: list[str] = []
    welcomed: Quote | None = None
    if opening:
        lines.append(INTRODUCTION)
        if past:
            # What is known of a person is often a word or two: a talk's own sentences make the better welcome.
            told = [quote for record in sessions if record.date is not None for quote in record.quotes]
            theirs = without_echoes((quote for quote in told or past if quote.by != "assistant"), message)
            # What an answer was then is not to stand beside what a tool says now.
            fitting = find(message, theirs, 1) or ([] if found else find(message, past, 1))
            welcomed = fitting[0] if fitting else _first(sessions)
            last = sessions[0].date if sessions else None
            lines.append(" ".join(["Welcome back.", *([_attributed(welcomed, last)] if welcomed else [])]))
    if found and not all(result.of_the_past and not result.pieces and not result.failed for result in found):
        lines += _results(message, found)
    else:  # whose words are in nothing that was said before may still mean what is recalled
        here, past = without_echoes(here, message), without_echoes(past, message)
        lines += _body(message, here, past, sessions, welcomed, opening)
    if not lines:
        lines.append("All right.")
    return "\n\n".join(lines)


def is_answered(message: str, earlier: Sequence[tuple[str, str]], records: Sequence[Record]) -> bool:
    """Whether the past answers a question about the user, so that no tool need be asked."""
    if not is_personal(message) or asks_advice(message):
        return False
    said = [*said_here(earlier)[::-1], *(quote for record in records for quote in record.quotes)]
    said = without_echoes(said, message)
    return any(
        quote.by != "assistant" and not quote.question and wants(message, quote.text) for quote in find(message, said)
    )


def is_asking(message: str) -> bool:
    """Whether a message asks for something."""
    return any(
        is_question(sentence) or _ASKS_FOR.match(sentence) or _ADVICE.search(sentence)
        for sentence in sentences(excerpt(message, 4_000))
    )


def asks_advice(message: str) -> bool:
    """Whether it asks what to do, which whoever asks has not told themselves."""
    return _ADVICE.search(message[:500]) is not None


def is_to_go_on(message: str) -> bool:
    """Whether it asks to go on from what was said: "Continue my training"."""
    return _GO_ON.match(message.strip()) is not None


def asks_what_was_asked(message: str) -> bool:
    """Whether an earlier question is the answer: "What did I ask you?"."""
    return _ASKED_WHAT_I_ASKED.search(message[:500]) is not None


def is_named_only(message: str) -> bool:
    """Whether it does no more than name what is looked for, as in a search: "price of first aid", "time in Oslo"."""
    spoken = words(message[:200])
    return (
        1 < len(spoken) <= 8
        and len(message) <= 100
        and is_telling(key_stems(message))
        and not any(each in _OF_A_SENTENCE for each in spoken)
        and not is_small_talk(message)
        and not message.rstrip().endswith("!")
    )


def is_about_the_model(message: str) -> bool:
    """Whether a message asks after the model or for what has been said at all, which no tool can tell."""
    return bool(_WHO_ARE_YOU.search(message[:500]) or _OVERVIEW.search(message[:500]))


def _body(
    message: str,
    here: Sequence[Quote],
    past: Sequence[Quote],
    records: Sequence[Record],
    welcomed: Quote | None,
    opening: bool,
) -> list[str]:
    spoken = sentences(excerpt(message, 4_000))
    if not spoken:
        return ["I can read words only. Tell me something to keep, or ask about something you told me."]
    if _WHO_ARE_YOU.search(message[:500]):
        return [_MORE] if opening else [INTRODUCTION, _MORE]
    if _OVERVIEW.search(message[:500]):
        return _overview(here, records, welcomed)
    if all(is_small_talk(sentence) for sentence in spoken) and not is_asking(message):
        return _courtesy(message, welcomed)
    asking = [sentence for sentence in spoken if is_question(sentence) or _ASKS_FOR.match(sentence)]
    lines = []
    if len(asking) < len(spoken) and (told := [s for s in spoken if s not in asking and not is_small_talk(s)]):
        lines.append(_noted(" ".join(told)))
    if asking:
        question = " ".join(asking)
        if not is_telling(key_stems(question)) and lines:
            question = message
        lines += _reply(question, [*here, *past], welcomed)
    elif related := [quote for quote in find(message, [*here, *past], 1) if quote != welcomed]:
        lines.append(f"It goes with this: {_lower(_attributed(related[0]))}")
    if asking and not lines and not any(map(is_question, asking)):
        lines += _courtesy(message, welcomed)  # "Continue my training", and the welcome has just quoted it
    return lines


def _reply(question: str, quotes: Sequence[Quote], welcomed: Quote | None) -> list[str]:
    """What answers a question; a line that says so when nothing does."""
    if _DID_I.search(question):
        quotes = [quote for quote in quotes if quote.by != "assistant"]
    elif not asks_what_was_asked(question):
        quotes = [quote for quote in quotes if not quote.question or quote.by is None]
    fitting = find(question, quotes)
    personal = is_personal(question)
    dated = asks_when(question)
    answers = [
        quote
        for quote in fitting
        if wants(question, quote.text)
        and (personal or dated or quote.by != "user")
        and (quote.by != "assistant" or _is_mostly_of(quote, question))
    ]
    if answers:
        fresh = [quote for quote in answers[: 1 if personal else 2] if quote != welcomed]
        return [_attributed(quote) for quote in fresh]
    if not fitting and personal and not asks_advice(question):
        # What has no word in common may still be near in meaning.
        told = [quote for quote in quotes if quote.recalled and quote.by == "user" and _tells(quote)]
        asked = key_stems(question)
        fitting = sorted(told, key=lambda quote: -len(asked & key_stems(quote.text)))
    nearest = [quote for quote in fitting if quote != welcomed and not (personal and quote.by == "assistant")][:1]
    about, in_welcome = _topic(question), welcomed in fitting
    if in_welcome and not nearest and _is_of(welcomed, about):
        return []  # the welcome has just quoted it
    return [
        _nothing(about, beyond=in_welcome, beside=nearest),
        *(f"What comes nearest: {_lower(_attributed(quote))}" for quote in nearest),
    ]


def _topic(question: str) -> list[str]:
    """What a question is about, if anything: not what is to be done with it ("Convert", "Tell me")."""
    return key_phrases([" ".join(_ASKS_FOR.sub("", sentence) for sentence in sentences(question))], 1)


def _nothing(about: Sequence[str], *, beyond: bool = False, beside: Sequence[Quote] = ()) -> str:
    """That nothing answers; said of the topic only where no quote `beside` is about just that."""
    if any(_is_of(quote, about) for quote in beside):
        missing = "that answers this"
    else:
        missing = f"about {about[0]}" if about else "on that"
    return f"{'Beyond that ' if beyond else ''}I have nothing to quote {missing}."


def _is_of(quote: Quote | None, about: Sequence[str]) -> bool:
    """Whether a quote holds all words of a topic."""
    return quote is not None and bool(about) and key_stems(about[0]) <= key_stems(quote.text)


def _is_mostly_of(quote: Quote, question: str) -> bool:
    """Whether a quote holds more than half of a question's telling words, if there are any."""
    telling = {stemmed for stemmed in key_stems(question) if is_telling([stemmed])}
    return 2 * len(telling & key_stems(quote.text)) > len(telling) or not telling


def _noted(told: str) -> str:
    about = key_phrases([told], 2)
    return f"Noted, about {' and '.join(about)}." if about else "Noted."


def _courtesy(message: str, welcomed: Quote | None) -> list[str]:
    if _THANKS.search(message):
        return ["You're welcome."]
    if _BYE.search(message):
        return ["Goodbye. What was said here is kept."]
    if welcomed:
        return ["Shall we go on from there?"]
    if _GREETING.search(message):
        return ["Hello. Tell me something, or ask about what you told me."]
    return ["All right."]


def _overview(here: Sequence[Quote], records: Sequence[Record], welcomed: Quote | None) -> list[str]:
    lines = []
    shown = {welcomed.text} if welcomed else set()
    for record in records[:3]:
        told = [quote for quote in record.quotes if quote.by != "assistant" and _tells(quote)]
        quotes = [quote for quote in told if quote.text not in shown][:3]
        shown |= {quote.text for quote in quotes}
        if quotes:
            when = f"On {record.date}" if record.date else "In an earlier session"
            lines.append(f"{when}: {_quotes(quotes)}")
    told = [quote for quote in here[::-1] if quote.by == "user" and _tells(quote)]
    if told:
        lines.append(f"In this session you said: {_quotes(told[-5:])}")
    if lines or welcomed:
        return lines
    return ["I have nothing to quote: nothing has been said yet that I recall."]


def _results(message: str, found: Sequence[Found]) -> list[str]:
    lines = []
    if any(result.pieces and not result.failed for result in found):
        found = [result for result in found if result.pieces]
    if any(result.pieces and result.fits and not result.failed and not result.of_the_past for result in found):
        # What was answered before is no news beside what is found now; what they said themselves is.
        found = [_of_theirs(result) if result.of_the_past else result for result in found]
        found = [result for result in found if result.pieces]
    for result in found:
        tool = result.tool.replace("_", " ").strip()
        if result.failed:
            lines.append(
                f"The tool “{tool}” failed: {shorten(result.pieces[0][0], 200) if result.pieces else 'no reason given'}"
            )
        elif not result.pieces and result.of_the_past:
            lines.append(_nothing(_topic(message)))
        elif not result.pieces:
            lines.append(f"The tool “{tool}” found nothing. Tell me more of what you are looking for.")
        else:
            # The source comes first: what is after a quote's end would be read as a sentence of its own later.
            told = [f"{f'{source}: ' if source else ''}{quoted(text, 400)}" for text, source in result.pieces]
            doubt = "" if result.fits else ", though it may not answer you"
            listed = f" {told[0]}" if len(told) == 1 else "".join(f"\n- {each}" for each in told)
            lines.append(f"From the tool “{tool}”{doubt}:{listed}")
    return lines


def _of_theirs(result: Found) -> Found:
    return replace(
        result,
        pieces=tuple(piece for piece in result.pieces if not piece[1].startswith(("The answer", "You were asked"))),
    )


def _tells(quote: Quote) -> bool:
    """Whether it says something, rather than greet or ask what it has said."""
    if is_small_talk(quote.text) or is_order(quote.text) or _OVERVIEW.search(quote.text):
        return False
    return not (quote.question and is_personal(quote.text))


def _first(records: Sequence[Record]) -> Quote | None:
    """What the newest session that says anything is best known by: a need, a plan, else how it began."""
    for record in records:
        told = [quote for quote in record.quotes if quote.by != "assistant" and _tells(quote)]
        for cue in (Cue.NEED, Cue.PLAN):
            for quote in told:
                if quote.by == "user" and cues(quote.text) & cue:
                    return quote
        if told:
            return next((quote for quote in told if not cues(quote.text) & Cue.NAME), told[0])
    return None


def _attributed(quote: Quote, last: str | None = None) -> str:
    """A quote as a sentence that says who said it when; `last` is the date of the newest earlier session."""
    if quote.date is None:
        when = ""
    elif quote.date == last:
        when = f"Last time ({last})" if last else "Last time"  # an empty date: none is given
    else:
        when = f"On {quote.date}" if quote.date else "In an earlier session"
    if quote.by is None:
        return f"{when or 'Earlier'}: {quoted(quote.text, 240)}"
    if quote.by == "assistant":
        who = "the answer was" if when else "I said"
    else:
        who = "you asked" if quote.question else "you told me"
    return (
        f"{when} {who}: {quoted(quote.text, 240)}"
        if when
        else f"{who[0].upper()}{who[1:]} earlier: {quoted(quote.text, 240)}"
    )


def _quotes(quotes: Sequence[Quote]) -> str:
    return " ".join(quoted(quote.text) for quote in quotes)


def _lower(line: str) -> str:
    return line if line.startswith("I ") else line[0].lower() + line[1:]
