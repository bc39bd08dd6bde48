"""What models cost, as the library genai-prices knows it."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from importlib.metadata import version

LIBRARY = "genai-prices"
MILLION = 1_000_000


def source() -> str:
    """Where the prices are from: the library and its version."""
    return f"{LIBRARY} {version(LIBRARY)}"


async def find_prices(models: Sequence[str]) -> dict[str, tuple[Decimal, Decimal]]:
    """Micro-dollars for a million input and output tokens; a model whose price is not known is left out.

    Base prices: a dearer rate of very long prompts and a cheaper one of cached tokens are not in them.
    """
    return await asyncio.to_thread(_find, models)


def _find(models: Sequence[str]) -> dict[str, tuple[Decimal, Decimal]]:
    from genai_prices import Usage, calc_price  # its tables take half a second to load

    found = {}
    for model in models:
        provider, _, name = model.rpartition(":")
        try:
            # A thousand tokens: prices with tiers begin with the lowest.
            price = calc_price(
                Usage(input_tokens=1000, output_tokens=1000),
                name,
                provider_id=_PROVIDERS.get(provider, provider) or None,
            )
        except LookupError:
            continue
        found[model] = (price.input_price * 1000 * MILLION, price.output_price * 1000 * MILLION)
    return found


_PROVIDERS = {"openai-chat": "openai", "openai-responses": "openai", "google-gla": "google", "google-vertex": "google"}
