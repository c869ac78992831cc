"""Numbers as Velocity has them: whole numbers, Java's doubles, and exact decimals that come from texts."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_DOWN, Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Final

from whereupon.model.velocity.errors import RenderError

MOST_DIGITS: Final = 1_000
_MOST_BITS: Final = 3_322
_LONGEST = 2**63

Number = int | float | Decimal

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]{1,6})?")
_EXACT: Final = Context(prec=MOST_DIGITS, traps=[InvalidOperation, Inexact])
_ROUNDED: Final = Context(prec=2 * MOST_DIGITS, rounding=ROUND_HALF_DOWN, traps=[InvalidOperation])


def as_number(value: object) -> Number | None:
    """A number, or the exact number that a text spells; `None` for everything else."""
    kind = type(value)
    if kind is int or kind is float or kind is Decimal:
        return value  # type: ignore[return-value]
    if type(value) is str and len(value) <= MOST_DIGITS and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def number_text(number: Number) -> str:
    """A number as Java prints it: 2.5, 1.0E10, 100000000000."""
    if isinstance(number, float):
        return _double_text(number)
    return str(bounded(number))


def bounded(number: Number) -> Number:
    """The number itself, unless it is too long to work with."""
    if isinstance(number, int) and number.bit_length() > _MOST_BITS:
        raise RenderError("A number becomes too long.", hint="Use smaller numbers.")
    return number


def _double_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(number)
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    spelled = "".join(map(str, digits))
    places = len(spelled) - 1 + int(exponent)
    return f"{'-' * sign}{spelled[0]}.{spelled[1:].rstrip('0') or '0'}E{places}"


def calculated(operator: str, left: Number, right: Number) -> Number | None:
    """`left operator right`; a division by zero has no result."""
    if operator in "/%" and not right:
        return None
    try:
        return bounded(_calculated(operator, left, right))
    except (DecimalException, OverflowError, ValueError) as error:
        raise RenderError("A calculation has no usable result.", hint="Use smaller numbers.") from error


def _calculated(operator: str, left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        return _of_whole(operator, left, right)
    if _exactly(left, right):
        return _of_decimals(operator, _decimal(left), _decimal(right))
    return _of_doubles(operator, float(left), float(right))


def _of_whole(operator: str, left: int, right: int) -> int:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    quotient = abs(left) // abs(right)
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    return quotient if operator == "/" else left - quotient * right


def _of_doubles(operator: str, left: float, right: float) -> float:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
    return math.fmod(left, right) if math.isfinite(left) else math.nan


def _of_decimals(operator: str, left: Decimal, right: Decimal) -> Decimal:
    match operator:
        case "+":
            return _EXACT.add(left, right)
        case "-":
            return _EXACT.subtract(left, right)
        case "*":
            return _EXACT.multiply(left, right)
        case "/":
            # Java keeps the places of the left side: '7' / 2 is 3.
            return _ROUNDED.quantize(_ROUNDED.divide(left, right), left)
    raise RenderError(
        "The remainder (%) of a number that is a text can't be taken.", hint="Use whole numbers."
    )


def _exactly(left: Number, right: Number) -> bool:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return True
    return any(isinstance(number, int) and not -_LONGEST <= number < _LONGEST for number in (left, right))


def _decimal(number: Number) -> Decimal:
    if isinstance(number, Decimal):
        return number
    if isinstance(number, int) and not -_LONGEST <= number < _LONGEST:
        return Decimal(bounded(number))
    if not math.isfinite(number):
        raise ValueError(number)
    # Java goes through a double here, so 2 becomes 2.0 and very long whole numbers lose their end.
    return Decimal(_double_text(float(number)))


def negated(number: Number) -> Number:
    """`-number`."""
    return -number if not isinstance(number, Decimal) else number.copy_negate()


def ordered(left: Number, right: Number) -> int:
    """Below 0, 0 or above 0, as left is smaller, equal or greater; two that can't be ordered are equal."""
    if isinstance(left, int) and isinstance(right, int):
        return (left > right) - (left < right)
    try:
        return _ordered(left, right)
    except (DecimalException, OverflowError, ValueError) as error:
        raise RenderError("Two numbers can't be compared.", hint="Use smaller numbers.") from error


def _ordered(left: Number, right: Number) -> int:
    if _exactly(left, right):
        one, two = _decimal(left), _decimal(right)
        return (one > two) - (one < two)
    a, b = float(left), float(right)
    return (a > b) - (a < b)


def short_whole(number: Number) -> int:
    """The 32 bit whole number that Java makes of a number."""
    if not math.isfinite(number) or (isinstance(number, Decimal) and number.adjusted() > MOST_DIGITS):
        return 0
    return (int(number) + 2**31) % 2**32 - 2**31
