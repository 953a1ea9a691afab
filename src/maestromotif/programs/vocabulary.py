"""What generated programs may name: builtins, modules, attributes. One place, read by the checker, the rewriter and the prompts."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILTINS", "CONTRACT", "EXCEPTIONS", "GUARDED_METHODS", "HINTS", "MODULES", "SAFE_ATTRIBUTES", "TYPES", "real_attributes"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TYPES = frozenset({"bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"})

EXCEPTIONS = frozenset(
    {
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "Exception",
        "IndexError",
        "KeyError",
        "LookupError",
        "NotImplementedError",
        "RuntimeError",
        "StopIteration",
        "TypeError",
        "ValueError",
        "ZeroDivisionError",
    }
)

BUILTINS = (
    _words(
        """abs all any divmod enumerate filter isinstance iter len map max min next object pow range repr reversed round sorted sum zip
        staticmethod classmethod property"""
    )
    | TYPES
    | EXCEPTIONS
)

MODULES: Mapping[str, frozenset[str]] = {
    "math": _words(
        """acos asin atan atan2 ceil copysign cos degrees dist e exp fabs floor fmod hypot inf isclose isfinite isinf isnan log log10
        log2 nan pi radians sin sqrt tan tanh tau trunc"""
    ),
    "random": _words("choice choices gauss randint random randrange sample shuffle uniform"),
    "collections": _words("Counter defaultdict deque"),
}

# Methods of str, list, deque, dict, Counter, set and numbers that neither reach outside nor hide large costs.
SAFE_ATTRIBUTES = _words(
    """capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle isupper join
    lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines startswith strip
    swapcase title upper
    append appendleft clear copy extend extendleft insert pop popleft remove reverse rotate sort
    get items keys popitem setdefault update values most_common subtract total
    add difference difference_update discard intersection intersection_update isdisjoint issubset issuperset symmetric_difference union
    is_integer bit_length"""
)

# Methods whose cost depends on what is given to them: calls of them are replaced by bounded ones.
GUARDED_METHODS = frozenset({"extend", "extendleft", "join", "replace", "update"})

# Methods by which the package calls a program.
CONTRACT = frozenset({"can_start", "interrupt", "is_done", "is_over", "next_skill", "observe"})

HINTS: Mapping[str, str] = {
    "print": "programs only return values; drop the call",
    "getattr": "every documented fact is always there: write facts.NAME",
    "hasattr": "every documented fact is always there: write facts.NAME",
    "setattr": "write self.name = value",
    "super": "call the other class's function by name, or do without inheritance",
    "type": "use isinstance(value, int) or a plain comparison",
    "format": "use an f-string",
    "format_map": "use an f-string",
    "open": "programs read facts only, no files",
    "eval": "write the expression itself",
    "exec": "write the statements themselves",
    "dataclass": "write a plain class with __init__",
    "BaseException": "catch the exception you expect, for example KeyError",
    "fromkeys": "use a dict comprehension",
    "__name__": "a program has no main block",
}


def real_attributes(names: frozenset[str]) -> frozenset[str]:
    """Attribute names that mean what they say; all others of a program live in a name space of their own.

    Args:
        names: the attributes of the objects that the program is given (for example, the domain's facts).
    """
    return SAFE_ATTRIBUTES | CONTRACT | names | frozenset().union(*MODULES.values())
