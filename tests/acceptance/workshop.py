"""A stand on loopback that answers as iFixit, Brave and Tavily do, in their shapes; all of its content is invented."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

GUIDE = {
    "guideid": 4711,
    "title": "Pocket 9 Screen Replacement",
    "category": "Pocket 9",
    "subject": "Screen",
    "type": "replacement",
    "difficulty": "Moderate",
    "time_required": "1 - 2 hours",
    "time_required_max": 7200,
    "summary": "",
    "introduction_raw": "Replace a cracked '''screen'''.",
    "url": "https://www.ifixit.com/Guide/Pocket+9+Screen+Replacement/4711",
    "tools": [{"text": "Spudger", "quantity": 2, "isoptional": False}, {"text": "Heat pad", "isoptional": True}],
    "parts": [{"text": "Pocket 9 Screen", "quantity": 1, "isoptional": False}],
    "steps": [
        {"title": "", "lines": [{"text_raw": "Turn the phone [link|off|new_window=true].", "bullet": "black"}]},
        {"title": "Cable", "lines": [{"text_raw": "Do not tear the cable.", "bullet": "icon_caution"}]},
    ],
}
_IN_SEARCH = ("guideid", "title", "subject", "category", "type", "difficulty", "time_required_max", "summary", "url")
RESULTS = [
    {"dataType": "guide", **{key: GUIDE[key] for key in _IN_SEARCH}, "public": True, "flags": [], "image": None},
    {"dataType": "wiki", "wikiid": 2, "title": "Pocket 9", "namespace": "CATEGORY", "url": "u", "summary": "s"},
    {
        "dataType": "question",
        "postid": 3,
        "title": "Screen stays dark",
        "raw_text": "After a fall the screen of my Pocket 9 stays dark.",
        "url": "https://www.ifixit.com/Answers/View/3/Screen+stays+dark",
        "answer_count": 1,
        "accepted_answerid": None,
    },
]
PAGE = {"title": "Fixing a console", "url": "https://example.com/console"}


class Workshop:
    """The stand; what was asked of it is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(place.query).items()}
                stand.asked.append((unquote(place.path), query, dict(self.headers)))
                self.send(*stand.answer(unquote(place.path)))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                stand.asked.append((self.path, body, dict(self.headers)))
                self.send(200, {"results": [{**PAGE, "content": "Blow the dust out of the console."}]})

            def send(self, status: int, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it stands."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, Any]:
        """What it says to a path; whoever asks for guide 5 waits."""
        match path.removeprefix("/api/2.0/").split("/"):
            case ["search", query]:
                found = RESULTS if "pocket" in query.lower() else []
                return 200, {"search": query, "totalResults": len(found), "moreResults": False, "results": found}
            case ["guides", "4711"]:
                return 200, GUIDE
            case ["guides", "2"]:
                return 200, {"message": "Guide not found"}
            case ["guides", "5"]:
                time.sleep(3)
                return 200, GUIDE
            case ["guides", "6"]:
                return 500, {"message": "Something broke"}
            case ["", "brave"]:
                return 200, {"web": {"results": [{**PAGE, "description": "Blow the <b>dust</b> out of the console."}]}}
        return 404, {"message": "Guide not found" if "guides" in path else "Endpoint not found"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._server.shutdown()
        self._server.server_close()
