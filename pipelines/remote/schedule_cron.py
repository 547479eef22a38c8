"""Cron expressions: what means the same to Kubeflow Pipelines and to Vertex AI, and nothing else.

Ours has the five fields of crontab(5), or six with seconds in front. Kubeflow's are read by
robfig/cron 1.2 (`backend/src/crd/controller/scheduledworkflow/util/cron_schedule.go`): it wants the
seconds, and takes five fields for one without the day of the week, so that `0 3 * * *` starts a run
every hour. Vertex AI's have five fields, behind `CRON_TZ=ZONE` if they are not in UTC.
"""

import re
from typing import Final, NamedTuple


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART: Final = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)")


def read_cron(text: str) -> str:
    """Check a cron expression and write it plainly: names as numbers, no needless seconds.

    Raises:
        ValueError: it does not mean the same everywhere, or never comes.

    >>> read_cron("0 30 3 * * MON-FRI")
    '30 3 * * 1-5'
    """
    words = text.split()
    if len(words) not in (5, 6):
        message = (
            f"has {len(words)} fields, not 5 (minute hour day month weekday) or 6 (second ...)"
        )
        raise ValueError(message)
    fields = [_read(word, field) for word, field in zip(words, _FIELDS[-len(words) :], strict=True)]
    days, months, weekdays = (expand(fields[at], at) for at in (-3, -2, -1))
    if len(weekdays) == 7 and not any(min(days) <= _LONGEST_MONTHS[m - 1] for m in months):
        message = f"never comes: no month of {fields[-2]} has a day {fields[-3]}"
        raise ValueError(message)
    return " ".join(fields[1:] if len(fields) == 6 and fields[0] == "0" else fields)


def expand(field: str, at: int) -> frozenset[int]:
    """The numbers that a plain field stands for; `at` is its place, -1 the day of the week."""
    kind, numbers = _FIELDS[at], set[int]()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low, high = (kind.low, kind.high) if span == "*" else (int(first), int(last or first))
        numbers.update(range(low, high + 1, int(step or 1)))
    return frozenset(numbers)


def cron_to_kubeflow(cron: str) -> str:
    """Write six fields.

    >>> cron_to_kubeflow("30 3 * * 1-5")
    '0 30 3 * * 1-5'
    """
    return cron if len(cron.split()) == 6 else f"0 {cron}"


def kubeflow_to_cron(text: str) -> str:
    """Read what Kubeflow has; what only it understands stays as it is.

    >>> kubeflow_to_cron("0 30 3 ? * MON"), kubeflow_to_cron("@every 1h")
    ('30 3 * * 1', '@every 1h')
    """
    words = text.replace("?", "*").split()
    return _plain(" ".join([*words, "*"] if len(words) == 5 else words), text)


def cron_to_vertex(cron: str, time_zone: str) -> str:
    """Write five fields behind the time zone.

    Raises:
        ValueError: it has seconds.

    >>> cron_to_vertex("30 3 * * 1-5", "Europe/Zurich")
    'CRON_TZ=Europe/Zurich 30 3 * * 1-5'
    """
    if len(cron.split()) == 6:
        message = "has seconds, and Vertex AI starts runs on the minute"
        raise ValueError(message)
    return cron if time_zone == "UTC" else f"CRON_TZ={time_zone} {cron}"


def vertex_to_cron(text: str) -> tuple[str, str]:
    """Read what Vertex AI has: cron and time zone; what only it understands stays as it is.

    >>> vertex_to_cron("TZ=Asia/Tokyo 0 9 * * MON")
    ('0 9 * * 1', 'Asia/Tokyo')
    """
    match = _ZONE.fullmatch(text)
    zone, cron = (match[1], match[2]) if match else ("UTC", text)
    return _plain(cron, cron), zone


def _plain(text: str, otherwise: str) -> str:
    try:
        return read_cron(text)
    except ValueError:
        return otherwise


def _read(word: str, field: _Field) -> str:
    return ",".join(_read_part(part, word, field) for part in word.split(","))


def _read_part(part: str, word: str, field: _Field) -> str:
    match = _PART.fullmatch(part)
    if not match:
        allowed = "numbers, a-b, *, each also with /step, and commas between"
        raise _wrong(word, field, f"is not of {allowed}")
    if match[1] == "*":
        span, size = "*", field.high - field.low
    else:
        low = _number(match[2], word, field)
        high = _number(match[3], word, field) if match[3] else low
        if low > high:
            raise _wrong(word, field, f"goes down from {low} to {high}: write two parts")
        if match[4] and not match[3]:
            raise _wrong(word, field, f"has a step but no end: write {low}-{field.high}/{match[4]}")
        span, size = (f"{low}-{high}" if match[3] else str(low)), high - low
    if not match[4]:
        return span
    if not 0 < int(match[4]) <= max(size, 1):
        raise _wrong(word, field, f"has the step {match[4]}, which never comes twice")
    return f"{span}/{int(match[4])}"


def _number(text: str, word: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    number = int(text) if re.fullmatch("[0-9]{1,2}", text) else -1
    if field.low <= number <= field.high:
        return number
    names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise _wrong(word, field, f"is not within {field.low} to {field.high}{names}")


def _wrong(word: str, field: _Field, problem: str) -> ValueError:
    return ValueError(f"{field.name} {word!r} {problem}")
