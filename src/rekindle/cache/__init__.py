"""Redis, where there is one: quick copies and messages between servers. Nothing is true because it is here."""

from pydantic import SecretStr

from rekindle.cache.cache import Cache, NullCache


def build_cache(url: SecretStr | None) -> Cache:
    """The Redis at `url`, or no cache without one; raises `ConfigurationError` when the URL is not one of Redis."""
    if url is None:
        return NullCache()
    from rekindle.cache.redis import RedisCache  # loads redis-py, which most do not need

    return RedisCache(url.get_secret_value())
