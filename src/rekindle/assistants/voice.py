"""What the offline model says of its own accord, so that it can be told from what it quotes."""

import re

INTRODUCTION = "I am the built-in offline model: I answer by quoting what you told me and what my tools find."

_OWN = re.compile(
    r"(?:I am the built-in offline model|I make nothing up|(?:Beyond that )?I have nothing to quote|"
    r"I can read words only|Noted[.,]|Hello\. Tell me|All right\.|You're welcome\.|Goodbye\. What was said|"
    r"Shall we go on from there|Welcome back\.|(?:What comes nearest: |It goes with this: )?(?:[Oo]n|[Ii]n|[Ee]arlier|"
    r"[Ll]ast time|[Yy]ou (?:told|asked)|I said)[^\"]{0,80}: \")"
)

_FROM_A_TOOL = re.compile(r"From the tool “[^”]{1,80}”(?:, though it may not answer you)?:(?: |$)")
_TOOLS_WORDS = re.compile(r"(?:- )?(?:[^\"]{1,300}: )?\"(.+)\"")


def without_frames(text: str) -> str:
    """An assistant's text without the lines in which the offline model greets, notes or quotes what was said.

    Of what it quotes from tools the words stay: nobody else said them. Another model's text stays as it is.
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
            kept.append(told[1])
        elif not _OWN.match(line):
            kept.append(line)
    return "\n".join(kept)
