"""Dates, times and moments from outside: ISO 8601, moments converted to UTC; none that no calendar has."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

from tableferry.ingest.rows.checks import Bad, Check, shown, string
from tableferry.schema.table import Column

# A date, perhaps with its midnight in UTC; of that of another zone it would have to be guessed which day is meant.
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0{1,9})?)?(?: ?(?:Z|UTC|[+-]00(?::?00)?))?)?")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"(?: ?(Z|UTC|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?"
)
_TIME = re.compile(r"(-?)([0-9]{1,3}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?")
_YEAR = re.compile(r"([0-9]{4})(?:\.0{1,40})?")  # be it written with zeros for decimal places, as other whole numbers
_MIDNIGHT = "24"  # of the next day: some versions of Python take it for a time, MySQL never
_TIMESTAMPS = (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC))


def day(value: object) -> str:
    """DATE: a date as the server takes it; raises Bad for what is none."""
    text = string(value)
    try:
        if found := _DATE.fullmatch(text):
            return date.fromisoformat(found[1]).isoformat()
    except ValueError:
        pass
    raise Bad("invalid", f"expected a date such as 2021-07-27, not {shown(value)}")


def instant(column: Column) -> Check:
    """DATETIME and TIMESTAMP: a time of a day, within the type's range and the column's places."""
    places = column.fraction
    stamp = column.data_type == "timestamp"

    def check(value: object) -> str:
        text = string(value)
        if not stamp and _usual(text):
            return f"{text[:10]} {text[11:19]}"
        found = _MOMENT.fullmatch(text)
        if found is None:
            raise Bad("invalid", f"expected a time such as 2021-07-27T16:02:08Z, not {shown(value)}")
        day, minute, second, fraction, zone = found.groups()
        whole = f"{day}T{minute or '00:00'}:{second or '00'}"
        try:
            if (minute or "") >= _MIDNIGHT:
                raise ValueError
            moment = datetime.fromisoformat(whole + (zone or "Z").replace("UTC", "Z")).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Bad("invalid", f"no calendar has {shown(value)}") from None
        if stamp and not _TIMESTAMPS[0] <= moment < _TIMESTAMPS[1]:
            raise Bad("out_of_range", f"{shown(value)} is not between 1970 and January 2038")
        return f"{moment:%H:%M:%S}".join((f"{moment.year:04}-{moment:%m-%d} ", _fraction(value, fraction, places)))

    return check


def _usual(text: str) -> bool:
    """Whether the text is ``2021-07-27T16:02:08Z`` and a moment there is: what nearly every value is, quickly told."""
    if len(text) != 20 or text[7::3] not in ("-T::Z", "- ::Z") or text[11:] >= _MIDNIGHT:
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def _fraction(value: object, digits: str | None, places: int) -> str:
    """The decimal places that the column keeps; more of them are refused unless they are zeros."""
    if not digits:
        return ""
    if digits[places:].strip("0"):
        raise Bad("out_of_range", f"{shown(value)} has more than {places} decimal places of a second")
    kept = digits[:places]
    return f".{kept}" if kept else ""


def time(column: Column) -> Check:
    """TIME: hours, minutes and seconds, within the type's range and the column's places."""

    def check(value: object) -> str:
        text = string(value)
        found = _TIME.fullmatch(text)
        if found is None or int(found[3]) > 59 or int(found[4] or 0) > 59:
            raise Bad("invalid", f"expected a time such as 16:02:08, not {shown(value)}")
        if int(found[2]) > 838:
            raise Bad("out_of_range", f"{shown(value)} is beyond 838:59:59")
        return text.partition(".")[0] + _fraction(value, found[5], column.fraction)

    return check


def year(value: object) -> str:
    """YEAR: a year of four digits; raises Bad for what is none."""
    found = _YEAR.fullmatch(
        str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else string(value)
    )
    if found is None:
        raise Bad("invalid", f"expected a year of four digits, not {shown(value)}")
    text = found[1]
    if text != "0000" and not 1901 <= int(text) <= 2155:
        raise Bad("out_of_range", f"{text} is not between 1901 and 2155")
    return text
