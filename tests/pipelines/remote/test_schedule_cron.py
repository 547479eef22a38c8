"""Cron expressions mean the same on every target."""

from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given, strategies as st

from lockstep.pipelines.remote.schedule_cron import (
    cron_to_kubeflow,
    cron_to_vertex,
    kubeflow_to_cron,
    read_cron,
    vertex_to_cron,
)

LOWEST = (0, 0, 0, 1, 1, 0)
HIGHEST = (59, 59, 23, 31, 12, 6)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@st.composite
def parts(draw: st.DrawFn, at: int) -> str:
    """Draw one part of a field: *, a number, a name or a range, perhaps with a step."""
    low, high = LOWEST[at], HIGHEST[at]
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    names = {4: MONTHS, 5: DAYS}.get(at, []) if draw(st.booleans()) else []
    one, other = (names[n - low] if names else str(n) for n in (first, last))
    span, size = draw(st.sampled_from([("*", high - low), (f"{one}-{other}", last - first)]))
    return draw(st.sampled_from([span, one, f"{span}/{draw(st.integers(1, size or 1))}"]))


@st.composite
def crons(draw: st.DrawFn) -> str:
    """Draw five fields, or six with seconds."""
    start = draw(st.sampled_from([0, 1]))
    fields = [",".join(draw(st.lists(parts(at), min_size=1, max_size=3))) for at in range(start, 6)]
    return " ".join(fields)


def robfig(field: str, at: int) -> tuple[set[int], bool]:
    """Read a field as Kubeflow's parser does: its numbers, and whether it has a star."""
    numbers, star = set[int](), False
    names = [name.lower() for name in {4: MONTHS, 5: DAYS}.get(at, [])]
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        low, dash, high = span.partition("-")
        first, last = (
            names.index(text) + LOWEST[at] if text in names else int(text or -1)
            for text in ("0" if span in "*?" else low, high)
        )
        if span in "*?":
            first, last, star = LOWEST[at], HIGHEST[at], True
        elif not dash:
            last = HIGHEST[at] if step else first
        numbers |= set(range(first, last + 1, int(step or 1)))
    return numbers, star


def comes(fields: list[str], moment: datetime) -> bool:
    """Whether six fields fire at a moment, as robfig and crontab(5) both have it."""
    weekday = (moment.weekday() + 1) % 7
    given = (moment.second, moment.minute, moment.hour, moment.day, moment.month, weekday)
    read = [robfig(field, at) for at, field in enumerate(fields)]
    hits = [value in numbers for value, (numbers, _) in zip(given, read, strict=True)]
    day = hits[3] and hits[5] if read[3][1] or read[5][1] else hits[3] or hits[5]
    return all(hits[:3]) and hits[4] and day


def six(text: str) -> list[str]:
    """Give the fields of a cron of ours with its seconds."""
    return text.split() if len(text.split()) == 6 else ["0", *text.split()]


def read(text: str) -> tuple[str, str]:
    """Read a cron expression: its plain form, or why there is none."""
    try:
        return read_cron(text), ""
    except ValueError as error:
        return "", str(error)


@given(
    crons(),
    st.lists(
        st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(
            lambda moment: moment.replace(microsecond=0)
        ),
        min_size=5,
    ),
)
def test_a_translation_fires_at_the_same_moments(text: str, moments: list[datetime]) -> None:
    """What Kubeflow and Vertex AI are sent comes when crontab(5) says that the given one does."""
    plain, refused = read(text)
    if refused:
        assert "never comes" in refused
        return
    sent = cron_to_kubeflow(plain).split()
    assert len(sent) == 6
    for moment in moments:
        full = moment.replace(second=0, minute=0)
        for near in (moment, *(full + timedelta(hours=hours) for hours in range(9))):
            assert comes(sent, near) == comes(six(text), near)


@given(crons(), st.sampled_from(["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires"]))
def test_what_was_sent_is_read_back(text: str, zone: str) -> None:
    """A schedule that a service tells is the one that it was sent, so that nothing is updated."""
    plain, refused = read(text)
    assume(not refused)
    assert read_cron(plain) == plain
    assert kubeflow_to_cron(cron_to_kubeflow(plain)) == plain
    if len(plain.split()) == 5:
        assert vertex_to_cron(cron_to_vertex(plain, zone)) == (plain, zone)


@given(st.text(max_size=40) | crons().map(lambda text: text.replace("*", "x")))
def test_anything_else_is_a_value_error(text: str) -> None:
    """No text makes the parser fail otherwise, and what it lets through is plain."""
    plain, refused = read(text)
    assert refused or read(plain) == (plain, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("@daily", "1 fields"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("0 24 * * *", "hour '24'"),
        ("0 0 0 * *", "day of the month '0'"),
        ("0 0 * * 7", "day of the week '7' is not within 0 to 6 or sun to sat"),
        ("0 0 * foo *", "month 'foo'"),
        ("0 22-6 * * *", "goes down from 22 to 6"),
        ("5/15 * * * *", "write 5-59/15"),
        ("*/0 * * * *", "step 0"),
        ("*/90 * * * *", "step 90"),
        ("0 0 L * *", "day of the month 'L'"),
        ("0 0 ? * MON", "is not of numbers"),
        ("0 0 1,,2 * *", "is not of numbers"),
        ("0 0 31 2,4 *", "never comes"),
    ],
)
def test_what_targets_read_differently_is_refused(text: str, problem: str) -> None:
    """The field and what is wrong with it are named."""
    with pytest.raises(ValueError, match=problem):
        read_cron(text)


def test_vertex_has_no_seconds() -> None:
    """A cron with seconds is not rounded."""
    with pytest.raises(ValueError, match="on the minute"):
        cron_to_vertex(read_cron("30 0 3 * * *"), "UTC")


def test_kubeflows_own_forms_are_read() -> None:
    """Five fields there are those without the day of the week, and `?` is `*`."""
    assert kubeflow_to_cron("0 30 3 * *") == "30 3 * * *"
    assert kubeflow_to_cron("0 0 9 ? * 2-6") == "0 9 * * 2-6"
