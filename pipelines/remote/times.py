"""Times in JSON: RFC 3339, as protobuf's timestamps are written."""

import re
from datetime import datetime
from typing import Any

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def read_time(text: Any) -> datetime | None:
    """Read a time, to the microsecond; what has not happened yet is the year 1970, or not there.

    >>> read_time("2026-01-02T03:04:05.123456789Z")
    datetime.datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=datetime.timezone.utc)
    """
    match = _TIME.fullmatch(str(text))
    if not match:
        return None
    zone = match[3].replace("Z", "+00:00")
    found = datetime.fromisoformat(f"{match[1]}.{(match[2] or '').ljust(6, '0')[:6]}{zone}")
    return found if found.year > 1970 else None


def write_time(moment: datetime) -> str:
    """Write a time in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
