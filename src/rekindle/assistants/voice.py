"""What the offline model says of its own accord, so that it can be told from what it quotes."""

import re

INTRODUCTION = "I am the built-in offline model: I answer by quoting what you told me and what my tools find."

_IN_DANGER = (
    "If somebody is in danger or hurt, do not wait for an answer here: call your emergency number now "
    "(911 in the USA, 112 in much of Europe)."
)
_IN_DESPAIR = (
    "If you think of harming yourself, please talk to somebody now: call a crisis line (988 in the USA, 116 123 in "
    "much of Europe), or your emergency number (911, 112). I am a program and cannot help with this; people there can."
)
_OF_DESPAIR = re.compile(
    r"\b(?:kill(?:ing)?|harm(?:ing)?) myself\b|\bsuicidal\b|\bcommit(?:ting)? suicide\b|\b(?:end|ending|take|taking) "
    r"my (?:own )?life\b|\b(?:I|I['’]d) (?:just |really |rather )*(?:want(?:ed)? to |wanna |wish I (?:was|were) |be )?"
    r"(?:die\b|dead\b)|\b(?:don['’]?t|do not|no longer) want to (?:live|be alive|exist)\b|\bbetter off dead\b|"
    r"\b(?:mich umbringen|nicht mehr leben|me tuer|suicidarme|matarme)\b",
    re.IGNORECASE,
)
_OF_DANGER = re.compile(
    r"\b(?:is|are|am|['’]s|['’]re|['’]m) (?:now |just |still )?(?:drowning|unconscious|choking|"
    r"bleeding (?:badly|heavily|a lot|out)|having a (?:heart attack|stroke|seizure))\b|"
    r"\b(?:not|isn['’]?t|stopped|aren['’]?t) breathing\b|"
    r"\bcall (?:911|112|999|an ambulance)\b",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|when|whether|suppose|what (?:is|are)|"
    r"how (?:do|can|to)(?: \w+)? (?:know|tell|recogni[sz]e|see|spot|notice))\b",
    re.IGNORECASE,
)
"""Of danger, but not now."""

_OWN = re.compile(
    r"(?:If somebody is in danger|If you think of harming yourself|"
    r"I am the built-in offline model|I make nothing up|(?:Beyond that )?I have nothing to quote|"
    r"I can read words only|Noted[.,]|Hello\. Tell me|All right\.|You're welcome\.|Goodbye\. What was said|"
    r"The tool “[^”]{1,80}” (?:found nothing|failed)|"
    r"Shall we go on from there|Welcome back\.|(?:What comes nearest: |It goes with this: )?(?:[Oo]n|[Ii]n|[Ee]arlier|"
    r"[Ll]ast time|[Yy]ou (?:told|asked)|I said)[^\"]{0,80}: \")"
)

_FROM_A_TOOL = re.compile(r"From the tool “[^”]{1,80}”(?:, though it may not answer you)?:(?: |$)")
_OF_THE_PAST = re.compile(r"(?:- )?(?:You said|You were asked|The answer|Summary of the session) o[nf] ")
"""What `recall_past` found: said before by others, and kept where they said it."""
_TOOLS_WORDS = re.compile(r"(?:- )?(?:[^\"]{1,300}: )?\"(.+)\"")


def warning(message: str) -> str | None:
    """Whom to call, where a message is of somebody who is in danger now or in despair. It stands alone.

    "What do I do when somebody is not breathing?" is a question for the documents.
    """
    said = message[:2_000]
    if _OF_DESPAIR.search(said):
        return _IN_DESPAIR
    return _IN_DANGER if _OF_DANGER.search(said) and not _HYPOTHETICAL.search(said) else None


def without_frames(text: str, *, quotations: bool = True) -> str:
    """An assistant's text without the lines in which the offline model greets, notes or quotes what was said.

    Of what it quotes from tools the words stay, where nobody in these talks said them, unless it is to be without
    `quotations`. Another model's text stays as it is.
    """
    kept = []
    quoting = False
    for line in text.splitlines():
        if head := _FROM_A_TOOL.match(line):
            quoting, line = True, line[head.end() :]
            if not line:
                continue
        elif not line:
            quoting = False
        if quoting and (told := _TOOLS_WORDS.fullmatch(line)):
            kept += [told[1]] if quotations and not _OF_THE_PAST.match(line) else []
        elif not _OWN.match(line):
            kept.append(line)
    return "\n".join(kept)
