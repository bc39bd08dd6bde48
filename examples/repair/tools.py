"""Repair guides of iFixit (API 2.0), and a web search by Brave or Tavily, whichever has a key.

The guides are iFixit's and its authors', licensed CC BY-NC-SA 3.0: they are fetched when they are asked for, quoted
with their address, and kept nowhere else than in the reply that quotes them.
"""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rekindle.assistants.assistant import Errand, Found, Source, found

IFIXIT = os.environ.get("IFIXIT_API", "https://www.ifixit.com/api/2.0").rstrip("/")
BRAVE = os.environ.get("BRAVE_API", "https://api.search.brave.com/res/v1/web/search")
TAVILY = os.environ.get("TAVILY_API", "https://api.tavily.com/search")
LICENCE = "CC BY-NC-SA 3.0"
SECONDS = float(os.environ.get("REPAIR_SECONDS", "15"))
_SHOWN = 5
_STEPS = 60
_LONGEST = 10_000

__all__ = ["read_guide", "search_guides"]
if os.environ.get("BRAVE_API_KEY") or os.environ.get("TAVILY_API_KEY"):
    __all__ += ["web_search"]


async def search_guides(errand: Errand, query: str) -> Found:
    """Search iFixit for guides to fix, repair or replace something that broke, and for what others asked about it.

    Status: Searching iFixit...

    Args:
        query: The device and what is wrong with it, such as `iPhone 12 screen`.
    """
    wanted = _bare(query)
    answer = await _ifixit(errand, f"search/{quote(wanted, safe='')}", {"filter": "guide,question", "limit": "10"})
    pieces = [piece for result in (answer or {}).get("results") or [] if (piece := _result(result))]
    return found(pieces[:_SHOWN], {"route": "ifixit"} if pieces else None)


async def read_guide(errand: Errand, guide_id: int) -> Found:
    """Read one iFixit guide: its tools, its parts and all of its steps.

    Status: Reading the guide...

    Args:
        guide_id: The number of the guide, as search_guides tells it.
    """
    guide = await _ifixit(errand, f"guides/{guide_id}", {})
    if guide is None:
        return Found(f"iFixit has no guide {guide_id}.")
    source = Source("guide", f"{guide.get('title') or 'Guide'} (iFixit)", url=guide.get("url"), licence=LICENCE)
    facts = [
        f"{guide.get('title')}: {guide.get('difficulty') or 'no difficulty given'}, "
        f"{guide.get('time_required') or 'no time given'}.",
        *([_plain(guide["introduction_raw"])] if guide.get("introduction_raw") else []),
        f"Tools: {_listed(guide.get('tools'))}.",
        f"Parts: {_listed(guide.get('parts'))}.",
    ]
    steps = [_step(number, step) for number, step in enumerate((guide.get("steps") or [])[:_STEPS], 1)]
    text = "\n".join([*facts, *steps, f"Source: {source.url} ({LICENCE})"])
    return Found(text, (source,), {"route": "ifixit"})


async def web_search(errand: Errand, query: str) -> Found:
    """Search the web for how to repair something that iFixit has no guide for.

    Status: Searching the web...

    Args:
        query: What is looked for.
    """
    assert errand.web is not None
    if key := os.environ.get("BRAVE_API_KEY"):
        page = await errand.web.get(
            BRAVE,
            params={"q": query[:400], "count": str(_SHOWN)},
            headers={"X-Subscription-Token": key, "Accept": "application/json"},
            seconds=SECONDS,
        )
        results = page.json().get("web", {}).get("results") if page.status == 200 else None
    else:
        page = await errand.web.post(
            TAVILY,
            {"query": query[:400], "max_results": _SHOWN},
            headers={"Authorization": f"Bearer {os.environ['TAVILY_API_KEY']}"},
            seconds=SECONDS,
        )
        results = page.json().get("results") if page.status == 200 else None
    if results is None:
        raise RuntimeError(f"The web search answered with status {page.status}.")
    pieces = [
        (f"{_plain(str(hit.get('description') or hit.get('content') or hit.get('title')))} ({hit['url']})", _page(hit))
        for hit in results[:_SHOWN]
        if hit.get("url")
    ]
    return found(pieces, {"route": "web"} if pieces else None)


async def _ifixit(errand: Errand, path: str, params: Mapping[str, str]) -> Any:
    """What iFixit answers; None when there is no such thing, which it says with 404, or with 200 and a message."""
    assert errand.web is not None
    page = await errand.web.get(f"{IFIXIT}/{path}", params=params, seconds=SECONDS)
    if page.status == 404:
        return None
    if page.status != 200:
        raise RuntimeError(f"iFixit answered with status {page.status}.")
    answer = page.json()
    if not isinstance(answer, dict):
        raise RuntimeError("iFixit answered with something that is not a guide.")
    return None if "message" in answer and not answer.keys() & {"guideid", "results"} else answer


def _result(result: Mapping[str, Any]) -> tuple[str, Source] | None:
    title, url = str(result.get("title") or ""), result.get("url")
    match result.get("dataType"):
        case "guide":
            time = result.get("time_required_max")
            about = [
                f"Guide {result.get('guideid')}: {title}",
                str(result.get("category") or ""),
                str(result.get("difficulty") or ""),
                f"up to {round(time / 60)} minutes" if isinstance(time, int) and time else "",
                _plain(str(result.get("summary") or "")).rstrip("."),
            ]
            return _attributed(", ".join(part for part in about if part), url), Source(
                "guide", f"{title} (iFixit)", url=url, licence=LICENCE
            )
        case "question":
            text = _plain(f"Asked on iFixit: {title} {result.get('raw_text') or ''}")[:600].rstrip(". ")
            return _attributed(text, url), Source("question", f"{title} (iFixit Answers)", url=url, licence=LICENCE)
    return None


def _attributed(text: str, url: Any) -> str:
    """What is quoted with whose it is: door 004's answers are text alone, without their sources."""
    return f"{text}: {url} ({LICENCE})." if url else f"{text} ({LICENCE})."


def _page(hit: Mapping[str, Any]) -> Source:
    return Source("web", str(hit.get("title") or hit["url"]), url=str(hit["url"]))


def _step(number: int, step: Mapping[str, Any]) -> str:
    lines = [_line(line) for line in step.get("lines") or []]
    title = f" {step['title']}:" if step.get("title") else ""
    return f"Step {number}.{title} " + " ".join(line for line in lines if line)


def _line(line: Mapping[str, Any]) -> str:
    text = _plain(str(line.get("text_raw") or ""))
    return {"icon_caution": f"Caution: {text}", "icon_note": f"Note: {text}"}.get(str(line.get("bullet")), text)


def _listed(things: Any) -> str:
    names = [
        f"{thing.get('text')}{f' ({number})' if (number := thing.get('quantity') or 1) > 1 else ''}"
        f"{', optional' if thing.get('isoptional') else ''}"
        for thing in things or []
    ]
    return "; ".join(names) or "none"


def _plain(text: str) -> str:
    """Wiki text as plain text: links by their words, no bold marks, no HTML; of a long one the beginning."""
    text = re.sub(r"\[[^\[\]|]*\|([^\[\]|]*)[^\[\]]*\]", r"\1", text[:_LONGEST])
    return " ".join(re.sub(r"'{2,}|</?[a-zA-Z][^>]*>|\[/?[a-z]+\]", "", text).split())


_ASKING = re.compile(
    r"^(?:(?:please|hello|hi|hey|can|could|would|you|how|do|does|did|to|i|we|one|should|fix|repair|replace|help|me|"
    r"with|my|the|a|an|is|what|where|find|guide|guides|for)\b[\s,]*)+",
    re.IGNORECASE,
)


def _bare(query: str) -> str:
    """What is looked for, without the words of a question around it."""
    asked = query.strip().rstrip("?!. ")
    return (_ASKING.sub("", asked) or asked)[:200]
