"""What the objects of Java's own classes say, and objects that Java takes for them.

Hessian has no tags for these; each library writes them as an object of the class itself, or of a "handle" of its own:
`com.caucho.hessian.io.LocaleHandle`, `com.alibaba.com.caucho.hessian.io.java8.InstantHandle`. The handle's name without
the package says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .values import JavaList, JavaObject

__all__ = ["Throwable", "big_decimal", "enum", "exception", "text", "throwable"]

MOST: Final = 100
"""Causes and stack frames that are followed. Java's own default for a stack trace is 1,024 frames."""


class Throwable(NamedTuple):
    """An exception in plain words; `frames` and `causes` the way Java prints them, at most 100 of each."""

    class_name: str
    message: str | None
    frames: list[str]
    causes: list[Throwable]


def throwable(value: Any) -> Throwable | None:
    """An exception, or None for a value that looks like none: it has a `detailMessage` or a `stackTrace`.

    An exception that is its own cause has none: that is how Java says so.
    """
    chain: list[Throwable] = []
    seen: set[int] = set()
    while isinstance(value, JavaObject) and id(value) not in seen and len(chain) <= MOST:
        if "detailMessage" not in value and "stackTrace" not in value:
            break
        seen.add(id(value))
        message = value.get("detailMessage")
        trace = value.get("stackTrace")
        frames = [_frame(frame) for frame in trace[:MOST]] if isinstance(trace, list) else []
        chain.append(Throwable(value.class_name, message if isinstance(message, str) else None, frames, []))
        value = value.get("cause")
    if not chain:
        return None
    chain[0].causes.extend(chain[1:])
    return chain[0]


def _frame(frame: Any) -> str:
    if not isinstance(frame, JavaObject):
        return "?"
    line = frame.get("lineNumber")
    file = frame.get("fileName")
    if line == -2:
        place = "Native Method"
    elif not isinstance(file, str):
        place = "Unknown Source"
    else:
        place = f"{file}:{line}" if isinstance(line, int) and line >= 0 else file
    return f"{frame.get('declaringClass')}.{frame.get('methodName')}({place})"


def exception(class_name: str, message: str | None = None) -> JavaObject:
    """An exception without a cause and with an empty stack trace."""
    new = JavaObject(class_name, {"detailMessage": message, "cause": None, "stackTrace": None})
    new["cause"] = new
    new["stackTrace"] = JavaList((), "[java.lang.StackTraceElement")
    return new


def enum(class_name: str, name: str) -> JavaObject:
    """A constant of an enum."""
    return JavaObject(class_name, {"name": name})


def big_decimal(value: object) -> JavaObject:
    """A java.math.BigDecimal, from a Decimal, an int or text."""
    return JavaObject("java.math.BigDecimal", {"value": str(value)})


# -- text -----------------------------------------------------------------------------------------------------------


def text(value: Any) -> str | None:
    """What Java's `toString` says: of an enum, a number of java.math, a time, a UUID, a Locale. None for all others.

    Of a Class it is the name alone. Times keep their nanoseconds, which Python's would lose.
    """
    if not isinstance(value, JavaObject):
        return None
    name = value.class_name.rpartition(".")[2]
    say = _SAYERS.get(name)
    if say is None:
        if value.definition.fields == ("name",) and isinstance(value["name"], str):
            return str(value["name"])
        return None
    try:
        return say(value)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):  # fields that are not what they should be
        return None


def _value(value: JavaObject) -> str:
    inner = value["value"]
    if not isinstance(inner, str | int):
        raise TypeError
    return str(int(inner)) if isinstance(inner, int) else inner


def _big_integer(value: JavaObject) -> str:
    if "mag" not in value:
        return _value(value)
    words = value["mag"]
    if len(words) > 400:  # beyond what Python writes in decimal unasked
        raise ValueError
    number = 0
    for word in words:
        number = number << 32 | word & 0xFFFF_FFFF
    return str(value["signum"] * number)


def _uuid(value: JavaObject) -> str:
    if "value" in value:
        return _value(value)
    digits = f"{value['mostSigBits'] & (1 << 64) - 1:016x}{value['leastSigBits'] & (1 << 64) - 1:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _date(value: JavaObject) -> str:
    year, month, day = int(value["year"]), int(value["month"]), int(value["day"])
    return f"{_year(year)}-{month:02}-{day:02}"


def _year(year: int) -> str:
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}"


def _time(value: JavaObject) -> str:
    hour, minute, second, nano = (int(value[name]) for name in ("hour", "minute", "second", "nano"))
    said = f"{hour:02}:{minute:02}"
    return said if not second and not nano else f"{said}:{second:02}{_fraction(nano)}"


def _fraction(nanos: int) -> str:
    """Three, six or nine digits."""
    if not nanos:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


def _date_time(value: JavaObject) -> str:
    return f"{_date(value['date'])}T{_time(value['time'])}"


def _instant(value: JavaObject) -> str:
    seconds, nanos = int(value["seconds"]), int(value["nanos"])
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    return f"{_year(year)}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{_fraction(nanos)}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970, of any year: the Gregorian calendar in eras of 400 years."""
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month, day


def _offset(value: JavaObject) -> str:
    seconds = int(value["seconds"])
    if not seconds:
        return "Z"
    hours, rest = divmod(abs(seconds), 3600)
    said = f"{'-' if seconds < 0 else '+'}{hours:02}:{rest // 60:02}"
    return f"{said}:{rest % 60:02}" if rest % 60 else said


def _zoned(value: JavaObject) -> str:
    zone = value["zoneId"]
    said = f"{_date_time(value['dateTime'])}{_offset(value['offset'])}"
    return said if zone == _offset(value["offset"]) else f"{said}[{zone}]"


def _duration(value: JavaObject) -> str:
    nanos = int(value["seconds"]) * 1_000_000_000 + int(value["nanos"])
    if not nanos:
        return "PT0S"
    sign = -1 if nanos < 0 else 1
    seconds, fraction = divmod(abs(nanos), 1_000_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    said = "PT"
    if hours:
        said += f"{sign * hours}H"
    if minutes:
        said += f"{sign * minutes}M"
    if seconds or fraction:
        digits = f".{fraction:09}".rstrip("0") if fraction else ""
        said += f"{'-' if sign < 0 else ''}{seconds}{digits}S"
    return said


def _period(value: JavaObject) -> str:
    parts = [(int(value[name]), letter) for name, letter in (("years", "Y"), ("months", "M"), ("days", "D"))]
    return "P" + ("".join(f"{count}{letter}" for count, letter in parts if count) or "0D")


_SAYERS: Final[dict[str, Callable[[JavaObject], str]]] = {
    "AtomicInteger": _value,
    "AtomicLong": _value,
    "BigDecimal": _value,
    "BigInteger": _big_integer,
    "Class": lambda value: str(value["name"]),
    "DurationHandle": _duration,
    "InstantHandle": _instant,
    "LocalDateHandle": _date,
    "LocalDateTimeHandle": _date_time,
    "LocalTimeHandle": _time,
    "LocaleHandle": _value,
    "MonthDayHandle": lambda value: f"--{int(value['month']):02}-{int(value['day']):02}",
    "OffsetDateTimeHandle": lambda value: _date_time(value["dateTime"]) + _offset(value["offset"]),
    "OffsetTimeHandle": lambda value: _time(value["localTime"]) + _offset(value["zoneOffset"]),
    "PeriodHandle": _period,
    "UUID": _uuid,
    "YearHandle": lambda value: str(int(value["year"])),
    "YearMonthHandle": lambda value: f"{_year(int(value['year']))}-{int(value['month']):02}",
    "ZoneIdHandle": lambda value: str(value["zoneId"]),
    "ZoneOffsetHandle": _offset,
    "ZonedDateTimeHandle": _zoned,
}
