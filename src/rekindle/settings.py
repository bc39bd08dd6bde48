"""All settings in one place: environment variables named `REKINDLE_*`, or the same lines in `.env`."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Identity = Literal["claimed", "verified"]


class Settings(BaseSettings):
    """What can be set. Read once, at the edge (`cli`, `app`); passed down from there."""

    model_config = SettingsConfigDict(
        env_prefix="REKINDLE_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("rekindle")),
        description="Folder of everything this server keeps on disk: the embedded database, the secret key.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL >= 15 with pgvector, as `postgresql://…`. Unset: the embedded one.",
    )
    database_pool: int = Field(default=10, ge=2, le=200, description="Database connections a process may hold.")
    database_prepare: bool = Field(
        default=True,
        description="Prepared statements. Turn off behind a transaction pooler such as PgBouncer.",
    )
    redis_url: SecretStr | None = Field(default=None, description="Redis for the cache. Unset: no cache.")
    secret_key: SecretStr | None = Field(
        default=None,
        description="Signs tokens; at least 32 characters. Unset: made once and kept in the data folder.",
    )
    identity: Identity | None = Field(
        default=None,
        description="What a typed e-mail address opens: `claimed` (past summaries are recalled) or `verified` "
        "(nothing, until a code is entered). Unset: `claimed`, on loopback only.",
    )
    admin_emails: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), description="E-mail addresses of administrators, separated by commas."
    )
    host_secret: SecretStr | None = Field(
        default=None, description="The secret that the host application signs its tokens with (HS256, HS384, HS512)."
    )
    host_jwks_url: str | None = Field(
        default=None, description="Where the host application publishes its keys, instead of `host_secret`."
    )
    host_algorithms: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Algorithms the host's tokens may have. Unset: HS256 with a secret, RS256 and ES256 with keys.",
    )
    host_issuer: str | None = Field(default=None, description="The `iss` that the host's tokens must have.")
    host_audience: str | None = Field(default=None, description="The `aud` that the host's tokens must have.")
    widget_origins: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Origins of the sites that may show the widget, such as `https://shop.example`, separated by "
        "commas; `*` for all. Unset: this server's own pages.",
    )
    api_origins: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Origins of the sites whose own pages may call `/api/v1/` with a bearer token, such as "
        "`https://shop.example`, separated by commas. Unset: this server's own pages.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Server that sends mail, as `smtp://name:password@host:587` or `smtps://…:465`. Unset: codes are "
        "printed on standard error, for visitors of this machine only.",
    )
    mail_from: str = Field(default="Rekindle <rekindle@localhost>", description="Sender of the mails with codes.")
    check_in_limit: str = Field(default="60/minute; 1000/day", description="Check-ins allowed to one client address.")
    code_limit: str = Field(
        default="30/15 minutes; 200/day", description="Codes that one client address may ask for, and may try."
    )
    address_limit: str = Field(default="5/15 minutes; 20/day", description="Codes sent to one e-mail address.")
    trusted_proxies: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Addresses or networks of proxies whose `X-Forwarded-For` is believed, separated by commas.",
    )
    model: str | None = Field(
        default=None,
        description="A pydantic-ai model name such as `openai:gpt-4o-mini`, or `offline`. Unset: "
        "`openai:gpt-4o-mini` if OPENAI_API_KEY is set, else `offline`.",
    )
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENAI_API_KEY", description="The key OpenAI's own client reads."
    )
    openai_base_url: str | None = Field(
        default=None,
        validation_alias="OPENAI_BASE_URL",
        description="Another server that speaks Chat Completions: Ollama, vLLM, llama.cpp.",
    )
    embedding_model: str | None = Field(
        default=None,
        description="An embedder such as `openai:text-embedding-3-small`. Unset: the built-in one.",
    )
    embedder_dir: Path | None = Field(
        default=None,
        description="Folder of the built-in embedder's weights, which `rekindle embedder` gets. "
        "Unset: `embedder` in the data folder.",
    )
    fetch_allow: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Hosts, addresses or networks that tools and `rekindle ingest` may fetch from although they are "
        "not public, separated by commas.",
    )
    window: int = Field(default=20, ge=2, le=200, description="Newest messages given to the model as they are.")
    recall_summaries: int = Field(
        default=3, ge=0, le=20, description="Past summaries given to a new session of a returning visitor."
    )
    recall_tokens: int = Field(
        default=2_000,
        ge=100,
        description="Most estimated tokens of a prompt that recalled past may take; a quarter of the prompt at most.",
    )
    recall_seconds: float = Field(
        default=0.3,
        ge=0,
        description="Longest time a turn waits for what is near to its message; then it goes on without. 0: none.",
    )
    idle_minutes: float = Field(
        default=60,
        gt=0,
        description="Minutes without a message after which a session is ended and summarised.",
    )
    retention_days: float = Field(
        default=30, ge=0, description="Days without a message after which a session is deleted, at night. 0: never."
    )
    undo_minutes: float = Field(
        default=10,
        ge=0,
        le=60 * 24 * 7,
        description="Minutes in which a session deleted through the house's API can be restored. 0: deleted for good.",
    )
    max_import_bytes: int = Field(
        default=50_000_000, ge=10_000, description="Largest export that a user may bring back in, in bytes."
    )
    jobs_in_server: bool = Field(
        default=True,
        description="Whether servers run jobs too. Turn off where `rekindle worker` runs them.",
    )
    max_message_chars: int = Field(default=32_000, ge=1, description="Longest message accepted, in characters.")
    max_reply_chars: int = Field(default=200_000, ge=1_000, description="Longest reply kept, in characters.")
    max_body_bytes: int = Field(default=1_000_000, ge=10_000, description="Largest request body, in bytes.")
    lease_seconds: float = Field(
        default=10,
        ge=1,
        description="Seconds without a sign of life after which another server takes a turn over.",
    )
    grace_seconds: float = Field(
        default=10, ge=0, description="Seconds a stopping server gives running turns to complete."
    )
    busy_wait_seconds: float = Field(
        default=60, ge=0, description="Longest wait for a busy session when the caller asked to wait."
    )
    afloat_turns: int = Field(
        default=1000, ge=0, description="Turns kept in memory while the database is away; more are refused."
    )
    afloat_minutes: float = Field(
        default=15, ge=0, description="Minutes that live sessions go on from memory while the database is away."
    )
    first_token_seconds: float = Field(default=60, gt=0, description="Longest wait for a model's first token.")
    token_gap_seconds: float = Field(default=30, gt=0, description="Longest silence within a model's answer.")
    prompt_tokens: int = Field(
        default=60_000,
        ge=500,
        description="Longest prompt given to a model, in estimated tokens; the oldest messages are left out.",
    )
    tool_seconds: float = Field(default=60, gt=0, description="Longest time a tool may take.")
    mcp_seconds: float = Field(
        default=5, gt=0, description="Longest wait of a turn for a server of tools (MCP) that is not connected yet."
    )
    turn_seconds: float = Field(default=600, gt=0, description="Longest time a turn may take in all.")
    summary_seconds: float = Field(default=30, gt=0, description="Longest time to write one summary.")
    titles: Literal["model", "phrases"] = Field(
        default="model",
        description="Who names sessions: the `model`, asked once for each, or `phrases` of its beginning.",
    )
    profile: Literal["model", "phrases", "off"] = Field(
        default="model",
        description="What is known of people is read from summaries by the `model`, asked once for each, or by their "
        "own `phrases`; `off`: not at all.",
    )
    user_tokens_per_day: int | None = Field(
        default=None, ge=1, description="Tokens each user may use a day (UTC). Unset: no limit."
    )
    total_tokens_per_day: int | None = Field(
        default=None, ge=1, description="Tokens all users together may use a day (UTC). Unset: no limit."
    )
    user_cost_per_day: float | None = Field(
        default=None, gt=0, description="Dollars each user's turns may cost a day (UTC). Unset: no limit."
    )
    total_cost_per_day: float | None = Field(
        default=None, gt=0, description="Dollars all turns together may cost a day (UTC). Unset: no limit."
    )
    model_retries: int = Field(
        default=2, ge=0, le=10, description="Retries on 429 and 5xx answers, before the first token only."
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        # And not merely passed over: a blank variable takes back what `.env` says.
        return {name: value for name, value in values.items() if value != ""}

    @field_validator("admin_emails", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "host_algorithms", "trusted_proxies", "widget_origins", "api_origins", "fetch_allow", mode="before"
    )
    @classmethod
    def _split_as_it_is(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("widget_origins")
    @classmethod
    def _are_origins(cls, value: frozenset[str]) -> frozenset[str]:
        for origin in value:
            if not re.fullmatch(r"\*|https?://[A-Za-z0-9.*:\[\]-]+", origin):
                raise ValueError(f"{origin!r} is not an origin such as https://shop.example")
        return value

    @field_validator("api_origins")
    @classmethod
    def _are_named_origins(cls, value: frozenset[str]) -> frozenset[str]:
        for origin in value:
            if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", origin):
                raise ValueError(f"{origin!r} is not an origin as browsers send it, such as https://shop.example")
        return value

    @cached_property
    def model_name(self) -> str:
        """The model that answers: a pydantic-ai name, or `offline`."""
        if self.model:
            return self.model
        return "openai:gpt-4o-mini" if self.openai_api_key else "offline"

    @cached_property
    def embedder_folder(self) -> Path:
        """Where the built-in embedder's weights are, or will be."""
        return self.embedder_dir or self.data_dir / "embedder"

    @cached_property
    def identity_rule(self) -> Identity:
        """What a claim opens here; `claimed` unless set."""
        return self.identity or "claimed"
