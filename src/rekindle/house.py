"""The house put together: each service made once, with what it stands on."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from uuid import UUID

import structlog

from rekindle.assistants.assistant import Assistant
from rekindle.assistants.crew import Crew
from rekindle.assistants.service import Assistants
from rekindle.cache import build_cache
from rekindle.cache.cache import Cache
from rekindle.conversation.erasure.service import Erasure
from rekindle.conversation.live import Live
from rekindle.conversation.runs import Runs
from rekindle.conversation.service import Conversation
from rekindle.conversation.visits import Visits
from rekindle.database import Database
from rekindle.embedded import EmbeddedPostgres
from rekindle.errors import ConfigurationError
from rekindle.identity.limits import RateLimits, read_limit
from rekindle.identity.mail import build_post
from rekindle.identity.service import Codes, Identity, build_identity
from rekindle.identity.tokens import keep_secret
from rekindle.jobs.service import Jobs
from rekindle.knowledge.fetch import Fetcher
from rekindle.knowledge.prices.service import Prices
from rekindle.knowledge.search.service import Search as KnowledgeSearch
from rekindle.knowledge.service import Knowledge
from rekindle.knowledge.study import Studies
from rekindle.knowledge.tools import price_tool, search_tool
from rekindle.memory.embedder import Embedder, WordEmbedder, build_embedder, built_in, embedder_named
from rekindle.memory.growth.ability import growth_tool
from rekindle.memory.growth.service import Growth
from rekindle.memory.minilm import MiniLM
from rekindle.memory.profile.derivation import Deriver, ModelThings, QuotedThings
from rekindle.memory.profile.recommendation import recommendation_tool
from rekindle.memory.profile.service import Profile
from rekindle.memory.recall.meaning import Meaning
from rekindle.memory.recall.service import Recall
from rekindle.memory.recollection.ability import PastAbility
from rekindle.memory.recollection.service import Recollection
from rekindle.memory.rolling.service import LONGEST, MOST, Rolling
from rekindle.memory.service import Memory
from rekindle.memory.summary import ExtractiveSummaries, ModelSummaries, SummaryWriter
from rekindle.memory.titles import Titles
from rekindle.migrations import migrate
from rekindle.sessions.copies import Copies
from rekindle.sessions.export.service import Exports
from rekindle.sessions.oversight import Oversight
from rekindle.sessions.review.service import Reviews
from rekindle.sessions.service import Sessions
from rekindle.settings import Settings
from rekindle.usage import quotas
from rekindle.usage.analytics.service import Analytics
from rekindle.usage.clerk import Clerk
from rekindle.usage.service import Usages

log = structlog.get_logger()

_LOOK_SECONDS = 2.0
"""How often it is looked whether the embedded database is still there."""


@dataclass(frozen=True, slots=True)
class House:
    """All services of one server."""

    settings: Settings
    crew: Crew
    database: Database
    cache: Cache
    identity: Identity
    sessions: Sessions
    exports: Exports
    usage: Usages
    assistants: Assistants
    memory: Memory
    recall: Recall
    runs: Runs
    live: Live
    conversation: Conversation
    erasure: Erasure
    jobs: Jobs
    limits: RateLimits
    codes: Codes
    visits: Visits
    oversight: Oversight
    reviews: Reviews
    analytics: Analytics
    profile: Profile
    growth: Growth
    rolling: Rolling
    fetcher: Fetcher
    knowledge: Knowledge
    prices: Prices
    studies: Studies
    recollection: Recollection


@asynccontextmanager
async def open_house(
    settings: Settings, assistants: Sequence[Assistant] = (), *, work: bool = True, jobs_only: bool = False
) -> AsyncIterator[House]:
    """The house on its database, migrated; without `work` it neither runs jobs nor takes turns over.

    With `jobs_only` it runs jobs, wherever the settings want them run, and takes no turns over.

    Raises ConfigurationError where the assistants cannot be served together.

    The embedded PostgreSQL is started if none is set, and stopped at the end unless another process uses it.
    """
    crew = Crew(assistants)
    if not structlog.is_configured():  # somebody's own program: what it prints is its own
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    async with AsyncExitStack() as stack:
        conninfo = await asyncio.to_thread(database_for, settings, stack)
        await asyncio.to_thread(migrate, conninfo)
        database = Database(conninfo, pool_size=settings.database_pool, prepare=settings.database_prepare)
        await database.open()
        stack.push_async_callback(database.close)
        jobs = Jobs(conninfo)
        await jobs.open()
        stack.push_async_callback(jobs.close)
        embedder = build_embedder(settings)
        stack.push_async_callback(embedder.aclose)
        cache = build_cache(settings.redis_url)
        await cache.open()
        stack.push_async_callback(cache.close)
        house = _assemble(settings, database, cache, jobs, embedder, crew)
        stack.push_async_callback(house.assistants.close)
        stack.push_async_callback(house.limits.close)
        stack.push_async_callback(house.recall.aclose)
        stack.push_async_callback(house.fetcher.aclose)
        if work and not jobs_only:
            await house.identity.open()
            stack.push_async_callback(house.identity.close)
        if jobs_only:
            jobs.start()
        elif work:
            await house.usage.learn_prices(settings, {each.model or settings.model_name for each in crew})
            for assistant in crew:
                if assistant.folder and assistant.knows:
                    house.studies.begin(assistant.name)
                    await jobs.study_later(assistant.name, assistant.folder)
            if settings.jobs_in_server:
                jobs.start()
            await house.runs.open()
        await house.live.open()
        stack.push_async_callback(house.live.close)
        stack.push_async_callback(house.runs.close)
        yield house


def _assemble(
    settings: Settings,
    database: Database,
    cache: Cache,
    jobs: Jobs,
    embedder: Embedder,
    crew: Crew,
) -> House:
    secret = secret_key(settings)
    identity = build_identity(database, settings, secret)
    copies = Copies(cache)
    sessions = Sessions(database, copies, identity, assistant=crew.first.name, rule=settings.identity_rule)
    assistants = Assistants(settings)
    offline = assistants.is_offline
    usages = Usages(database)
    clerk = Clerk(assistants, usages)

    def writer(user_id: UUID, session_id: UUID) -> SummaryWriter:
        return ExtractiveSummaries() if offline else ModelSummaries(clerk.on_behalf(user_id, session_id))

    def rolling_writer(user_id: UUID, session_id: UUID) -> SummaryWriter:
        if offline:
            return ExtractiveSummaries(LONGEST, MOST)
        return ModelSummaries(clerk.on_behalf(user_id, session_id), goes_on=True)

    memory = Memory(
        database,
        sessions,
        writer,
        embedder,
        seconds=settings.summary_seconds,
        later=jobs.summarise_later,
        written=jobs.read_summaries if settings.profile != "off" else None,
    )
    token_model = embedder if isinstance(embedder, MiniLM) else built_in(settings)  # loaded once
    chosen = embedder if settings.embedding_model else None
    recall_meaning = Meaning(token_model, chosen, lambda name: embedder_named(name, settings))
    recall = Recall(database, token_model, recall_meaning)
    identity.revocations.tell(recall.shelf)

    def deriver(user_id: UUID, session_id: UUID) -> Deriver:
        asks = settings.profile == "model" and not offline
        return ModelThings(clerk.on_behalf(user_id, session_id)) if asks else QuotedThings()

    profile = Profile(
        database,
        sessions,
        deriver,
        secret=secret,
        rule=settings.identity_rule,
        seconds=settings.summary_seconds,
    )
    recollection = Recollection(database, recall, profile, rule=settings.identity_rule, seconds=settings.recall_seconds)
    rolling = Rolling(
        database,
        sessions,
        rolling_writer,
        window=settings.window,
        seconds=settings.summary_seconds,
    )
    fetcher = Fetcher(settings.fetch_allow)
    runs = Runs(database, copies, assistants, settings, crew, sessions.about, fetcher, recollection)
    live = Live(cache, runs)
    conversation = Conversation(database, sessions, memory, runs, copies, live, settings, quotas.limits(settings, crew))
    identity.revocations.tell(runs.afloat)
    identity.revocations.tell_of_sessions(runs.afloat)
    by_model = settings.titles == "model" and not offline
    titles = Titles(sessions, clerk.on_behalf if by_model else None, seconds=settings.summary_seconds)
    # What only compares words adds nothing to a search that does.
    meaning = None if isinstance(embedder, WordEmbedder) else embedder
    studies = Studies(jobs.is_studying)
    knowledge = Knowledge(database, KnowledgeSearch(database, meaning), fetcher, studies)
    prices = Prices(database, studies)
    assistants.abilities.teach(search_tool(knowledge), when=knowledge.is_there_for)
    course_price = price_tool(prices)
    assistants.abilities.teach(course_price, when=prices.is_there_for)
    fitting = search_tool(knowledge), lambda errand, course: course_price(errand, course, 1)
    assistants.abilities.teach(recommendation_tool(profile, *fitting))
    growth = Growth(database, secret=secret)
    assistants.abilities.teach(growth_tool(growth))
    assistants.abilities.teach(PastAbility(recollection).recall_past)
    jobs.register(
        memory,
        recall,
        titles,
        sessions,
        rolling,
        knowledge,
        prices,
        profile=profile if settings.profile != "off" else None,
        idle_minutes=settings.idle_minutes,
        retention_days=settings.retention_days,
        undo_minutes=settings.undo_minutes,
    )
    limits = RateLimits(settings.redis_url.get_secret_value() if settings.redis_url else None)
    often = read_limit(settings.address_limit, "REKINDLE_ADDRESS_LIMIT")
    codes = Codes(database, secret, build_post(settings), limits, often, sender=settings.mail_from)
    return House(
        settings=settings,
        crew=crew,
        database=database,
        cache=cache,
        identity=identity,
        sessions=sessions,
        exports=Exports(database),
        usage=usages,
        assistants=assistants,
        memory=memory,
        recall=recall,
        runs=runs,
        live=live,
        conversation=conversation,
        erasure=Erasure(database, conversation, copies),
        jobs=jobs,
        limits=limits,
        codes=codes,
        visits=Visits(identity, codes, sessions, conversation),
        oversight=Oversight(identity, sessions),
        reviews=Reviews(database, identity),
        analytics=Analytics(database, identity),
        profile=profile,
        growth=growth,
        rolling=rolling,
        fetcher=fetcher,
        knowledge=knowledge,
        prices=prices,
        studies=studies,
        recollection=recollection,
    )


def database_for(settings: Settings, stack: AsyncExitStack | ExitStack) -> str:
    """How to connect to the database that is set, or to the embedded one, which stops with `stack`."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"The data folder {settings.data_dir} cannot be made: {error.strerror}.") from error
    if settings.database_url:
        return settings.database_url.get_secret_value()
    embedded = EmbeddedPostgres(settings.data_dir / "postgres")
    conninfo = embedded.start()
    stack.callback(embedded.stop)
    stack.enter_context(kept_up(embedded))
    return conninfo


@contextmanager
def kept_up(embedded: EmbeddedPostgres) -> Iterator[None]:
    """Within it the embedded database, should somebody or a lack of memory kill it, is started again."""
    leaving = Event()

    def look() -> None:
        while not leaving.wait(_LOOK_SECONDS):
            try:
                if not embedded.running():
                    embedded.start()
                    log.warning("database.restarted")
            except Exception as error:  # whatever it was: the next look tries again
                log.warning("database.not_restarted", error=type(error).__name__)

    looking = Thread(target=look, name="embedded database", daemon=True)
    looking.start()
    try:
        yield
    finally:
        leaving.set()
        looking.join()


def secret_key(settings: Settings) -> str:
    """The key that signs tokens: the one that is set, else the data folder's own."""
    return settings.secret_key.get_secret_value() if settings.secret_key else keep_secret(settings.data_dir)
