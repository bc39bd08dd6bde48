"""What a personal assistant should not reckon in its head: times, dates, units."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["convert", "days_until", "time_in", "todays_date"]

_UNITS = {
    "mile": ("m", 1609.344), "yard": ("m", 0.9144), "foot": ("m", 0.3048), "inch": ("m", 0.0254),
    "kilometer": ("m", 1000.0), "meter": ("m", 1.0), "centimeter": ("m", 0.01), "millimeter": ("m", 0.001),
    "pound": ("kg", 0.45359237), "ounce": ("kg", 0.028349523125), "kilogram": ("kg", 1.0), "gram": ("kg", 0.001),
    "gallon": ("l", 3.785411784), "quart": ("l", 0.946352946), "cup": ("l", 0.2365882365),
    "liter": ("l", 1.0), "milliliter": ("l", 0.001),
}  # fmt: skip
_SHORT = {
    "mi": "mile", "yd": "yard", "ft": "foot", "feet": "foot", "in": "inch", "inches": "inch", "km": "kilometer",
    "m": "meter", "cm": "centimeter", "mm": "millimeter", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "kg": "kilogram", "g": "gram", "gal": "gallon", "l": "liter", "ml": "milliliter",
    "c": "celsius", "f": "fahrenheit",
}  # fmt: skip


def time_in(city: str) -> str:
    """What time and date it is now in a city.

    Status: Looking at the clock…

    Args:
        city: The city, such as `Tokyo` or `New York`.
    """
    wanted = city.strip().rstrip("?").replace(" ", "_").casefold()
    zones = sorted(zone for zone in available_timezones() if zone.rpartition("/")[2].casefold() == wanted)
    if not zones:
        return f"No time zone is named after {city}: name the largest city near it."
    now = datetime.now(ZoneInfo(zones[0]))
    return f"In {city.strip()} it is {now:%H:%M} on {now:%A}, {now.day} {now:%B %Y} (UTC{now:%z})."


def todays_date() -> str:
    """Today's date and day of the week.

    Status: Looking at the calendar…
    """
    now = datetime.now().astimezone()
    return f"Today is {now:%A}, {now.day} {now:%B %Y}."


def days_until(date_wanted: date) -> str:
    """How many days there are until a date, or how many days ago it was.

    Status: Counting days…

    Args:
        date_wanted: The date, as `2027-01-01`.
    """
    days = (date_wanted - datetime.now(UTC).date()).days
    when = f"{date_wanted:%A}, {date_wanted.day} {date_wanted:%B %Y}"
    so_many = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"{when} is {'today' if days == 0 else f'in {so_many}' if days > 0 else f'{so_many} ago'}."


def convert(amount: float, unit: str, to: str) -> str:
    """Convert an amount from one unit into another: lengths, weights, volumes, temperatures.

    Status: Converting…

    Args:
        amount: How many.
        unit: The unit it is in, such as `mile`, `kg` or `fahrenheit`.
        to: The unit it should be in.
    """
    one, other = _unit(unit), _unit(to)
    if {one, other} == {"celsius", "fahrenheit"}:
        result = (amount - 32) / 1.8 if one == "fahrenheit" else amount * 1.8 + 32
        return f"{amount:g} °{one[0].upper()} is {result:.4g} °{other[0].upper()}."
    if one not in _UNITS or other not in _UNITS:
        return f"The units known are {', '.join([*_UNITS, 'celsius', 'fahrenheit'])}."
    (kind, size), (other_kind, other_size) = _UNITS[one], _UNITS[other]
    if kind != other_kind:
        return f"A {one} and a {other} do not measure the same."
    result = amount * size / other_size
    return f"{_so_many(amount, one)} {'is' if amount == 1 else 'are'} {_so_many(result, other)}."


def _so_many(amount: float, unit: str) -> str:
    several = {"foot": "feet", "inch": "inches"}.get(unit, f"{unit}s")
    return f"{amount:.6g} {unit if amount == 1 else several}"


def _unit(name: str) -> str:
    name = name.strip(" .°").casefold()
    name = _SHORT.get(name, name)
    return name[:-1] if name.endswith("s") and name[:-1] in _UNITS else name
