"""What the offline model says of its own accord, so that it can be told from what it quotes."""

import re

INTRODUCTION = "I am the built-in offline model: I answer by quoting what you told me and what my tools find."

_OWN = re.compile(
    r"(?:I am the built-in offline model|I make nothing up|(?:Beyond that )?I have nothing to quote|"
    r"I can read words only|Noted[.,]|Hello\. Tell me|All right\.|You're welcome\.|Goodbye\. What was said|"
    r"Shall we go on from there|Welcome back\.|(?:What comes nearest: |It goes with this: )?(?:[Oo]n|[Ii]n|[Ee]arlier|"
    r"[Ll]ast time|[Yy]ou (?:told|asked)|I said)[^\"]{0,80}: \")"
)


def without_frames(text: str) -> str:
    """An assistant's text without the lines in which the offline model greets, notes or quotes what was said.

    What it quotes from tools stays: nobody else said that. Another model's text stays as it is.
    """
    return "\n".join(line for line in text.splitlines() if not _OWN.match(line))
