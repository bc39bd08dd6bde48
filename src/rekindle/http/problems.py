"""Errors as `application/problem+json` (RFC 9457): `type, title, status, detail, code`."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from rekindle.errors import InvalidRequest, RekindleError

log = structlog.get_logger()


class Problem(BaseModel):
    """What went wrong. `code` is stable; `detail` is for people and says what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""How the API's description calls every answer that is not a success."""


class ProblemResponse(JSONResponse):
    """A JSON answer of the problem media type."""

    media_type = "application/problem+json"


def problem_response(error: RekindleError) -> ProblemResponse:
    """The answer that an error becomes."""
    headers: dict[str, str] = {}
    if "retry_after" in error.extra:
        headers["retry-after"] = str(error.extra["retry_after"])
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "5"
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    elif error.status == HTTPStatus.REQUEST_TIMEOUT:
        headers["connection"] = "close"  # what may still come of the request is no other one
    problem = Problem(title=error.title(), status=error.status, detail=error.detail, code=error.code, **error.extra)
    return ProblemResponse(problem.model_dump(), error.status, headers)


def describe_problems(app: FastAPI) -> None:
    """Give the API's description the shape that `PROBLEMS` refers to."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        # A `model` of FastAPI's own would be described as application/json.
        description = describe()
        description["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return description

    app.openapi = openapi  # type: ignore[method-assign]


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of this app with a problem."""

    @app.exception_handler(RekindleError)
    async def of_ours(request: Request, error: RekindleError) -> ProblemResponse:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request.failed", code=error.code, path=_route(request))
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> ProblemResponse:
        # What was sent is not echoed: it may be long, or private.
        faults: list[dict[str, Any]] = [
            {"where": ".".join(str(part) for part in fault["loc"]), "what": fault["msg"]}
            for fault in error.errors()[:20]
        ]
        detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
        return problem_response(InvalidRequest(f"The request cannot be used: {detail}.", errors=faults))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> ProblemResponse:
        status = HTTPStatus(error.status_code)
        problem = Problem(
            title=status.phrase,
            status=status,
            detail=_DETAILS.get(status, status.description or status.phrase),
            code=status.name.lower(),
        )
        return ProblemResponse(problem.model_dump(), status, error.headers)

    @app.exception_handler(Exception)
    async def of_nobody(request: Request, error: Exception) -> ProblemResponse:
        log.error("request.fault", error=type(error).__name__, path=_route(request), exc_info=error)
        return problem_response(RekindleError("Something went wrong here. It has been logged."))


_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
}


def _route(request: Request) -> str:
    # The route, not the path: a path may hold a session's capability.
    route = request.scope.get("route")
    return getattr(route, "path", "unknown")
