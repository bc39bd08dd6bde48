"""Counts of this process, for Prometheus at `/metrics`. No label names a person or a session."""

from prometheus_client import Counter, Gauge, Histogram

TURNS = Counter("rekindle_turns", "Turns that ended here, by how", ["status"])
TURNS_RUNNING = Gauge("rekindle_turns_running", "Turns this process runs now")
TURN_SECONDS = Histogram(
    "rekindle_turn_seconds", "Time from a turn's begin to its end", buckets=(0.05, 0.2, 1, 2, 5, 10, 30, 60, 300)
)
TURNS_TAKEN_OVER = Counter(
    "rekindle_turns_taken_over", "Turns taken over from servers that were gone, by outcome", ["status"]
)
TURNS_UNWRITTEN = Gauge("rekindle_turns_unwritten", "Turns kept in memory until the database is back")
TOKENS = Counter("rekindle_tokens", "Tokens of turns that ended here", ["model", "direction"])
RECALLS = Counter(
    "rekindle_recalls",
    "Looks into a user's past for a turn, by outcome: found, nothing, late (the turn went on without), failed",
    ["outcome"],
)
RECALL_SECONDS = Histogram(
    "rekindle_recall_seconds", "Time a turn waited for them", buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
)
SUMMARIES = Counter("rekindle_summaries", "Summaries of sessions, by outcome", ["outcome"])
CACHE_READS = Counter(
    "rekindle_cache_reads",
    "Reads of a session's messages: from its copy (hit), without one that has them (miss), past an old one (stale)",
    ["result"],
)
CACHE_ERRORS = Counter("rekindle_cache_errors", "Calls that Redis refused, or did not answer in time (away)", ["kind"])
CACHE_DROPPED = Counter("rekindle_cache_dropped", "What was not told to Redis, or not heard, being too much at once")
CACHE_BREAKER = Gauge("rekindle_cache_breaker", "Redis is asked (0), tried again (1), or left alone for now (2)")
PIECES = Counter("rekindle_live_pieces", "Pieces of replies passed between servers as they came", ["direction"])
