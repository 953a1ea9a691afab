"""What rewritten programs call instead of the bare operations: a fuel meter, and builtins whose cost is bounded.

A meter is an iterator that hands out ``None`` a fixed number of times and then raises: one tick is one call into C, about
20 ns. Work on large values burns one tick per 64 elements, so that fuel bounds memory as well as time.
"""

from __future__ import annotations

import math
import operator
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sized
from itertools import chain, islice, repeat
from types import GeneratorType, MappingProxyType
from typing import Any

from maestromotif.programs.vocabulary import EXCEPTIONS, MODULES, TYPES

__all__ = ["FUEL", "MAX_BITS", "MAX_SIZE", "MODULE", "Meter", "OutOfFuel", "error_text", "guarded_names"]

FUEL = 20_000  # ticks that one environment step may use, at least
MAX_SIZE = 100_000  # elements or characters of one value
MAX_BITS = 4_096  # bits of one whole number
_BIG = 1 << MAX_BITS
_RESERVE = 4  # a meter is filled to this many times its fuel
_INTEGERS = frozenset({int, bool})
_NUMBERS = frozenset({int, float, bool, type(None)})
_PLAIN = _NUMBERS | {str}
_TEXT_NODES = 2_000
_DIGITS = 1_300  # of a text that is made into a whole number
MODULE = "$program"  # what the classes of programs name as their module
_BASES = (object, Exception, ValueError, RuntimeError)
_DEEPEST = 16  # classes that one class may have above it
_CLASS_TICKS, _CAUGHT_TICKS = 50, 32  # of a class that is made, and of an error that is caught, which may have come through many calls


class OutOfFuel(BaseException):
    """A program has done too much in one step. Not an ``Exception``: programs cannot catch it."""


class _Dry:
    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        raise OutOfFuel("too many loop turns and calls in one step")


class Meter:
    """Counts the work of one game's programs.

    Attributes:
        left: call it for the ticks that are left; 0 means that the last step ran dry. Changes with every ``refill``.
    """

    left: Callable[[], int]

    def __init__(self, fuel: int = FUEL) -> None:
        self.fuel = fuel
        self._spaces: list[dict[str, Any]] = []
        self.refill()

    def refill(self) -> None:
        """Fill to four times the fuel. To be called between two uses whenever less than ``fuel`` is left."""
        reserve = repeat(None, self.fuel * _RESERVE)
        self.left = reserve.__length_hint__
        self._ticks = chain(reserve, _Dry())
        for space in self._spaces:
            space["$tick"] = self._ticks.__next__

    def serve(self, space: dict[str, Any]) -> None:
        """Let the program with this name space burn from here."""
        self._spaces.append(space)
        space["$tick"] = self._ticks.__next__

    def burn(self, ticks: int) -> None:
        next(islice(self._ticks, ticks, ticks), None)


def guarded_names(meter: Meter, generator: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """The builtins of one program, and the ``$`` names that its rewriting refers to."""
    charge = _make_charge(meter)
    constructors: dict[str, Any] = {
        "dict": lambda *items, **named: charge(dict(*items, **named)),
        "frozenset": lambda *items: charge(frozenset(*items)),
        "int": lambda *values, **named: _int(*values, **named),
        "list": lambda *items: charge(list(*items)),
        "set": lambda *items: charge(set(*items)),
        "str": lambda *values: charge(_text(values[0], str) if values else ""),
        "tuple": lambda *items: charge(tuple(*items)),
    }
    builtins: dict[str, Any] = {
        **{name: _BUILTINS[name] for name in _NATIVE | EXCEPTIONS | (TYPES - set(constructors))},
        **constructors,
        "__build_class__": _make_build_class(meter),
        "iter": lambda items: iter(items),
        # Eager: lazy ones can be nested until their common __next__ overflows the C stack.
        **{name: _eager(_BUILTINS[name], charge) for name in ("enumerate", "zip")},
        **{name: _apart(_eager(_BUILTINS[name], charge), charge) for name in ("filter", "map")},
        **{name: _extreme(_BUILTINS[name], charge) for name in ("max", "min")},
        # Functions are made for each program, since a program can put attributes on them.
        "pow": lambda base, exponent: _pow(base, exponent),
        "range": lambda *bounds: _range(*bounds),
        "repr": lambda value: charge(_text(value, repr)),
        "round": lambda number, ndigits=None: _round(number, ndigits),
        "sorted": lambda items, *, key=None, reverse=False: charge(sorted(items, key=key, reverse=reverse)),
        "sum": lambda items, start=0: _sum(charge(items), start),
    }
    hidden: dict[str, Any] = {
        **{"$type_" + name: _BUILTINS[name] for name in constructors},
        **{"$" + name: function for name, function in _operators(charge).items()},
        **{"$" + name: function for name, function in _methods(charge).items()},
        "$caught": lambda: meter.burn(_CAUGHT_TICKS),
        "$charge": charge,
        "$max": max,
        "$min": min,
        "$list": lambda items: charge(items if isinstance(items, Sized) else list(items)),
        "$own": _own,
        "$plain": lambda value: value if type(value) in _NUMBERS else charge(value if type(value) is str else _text(value, str)),
        "$repr": lambda value: charge(_text(value, repr)),
        "$flat": lambda items: iter(charge(list(items))) if type(items) is GeneratorType else items,
        "$module_math": _MATH,
        "$module_random": _random_module(generator, charge),
        "$module_collections": _collections_module(charge),
    }
    return builtins, hidden


class _Fixed(type):
    """Of classes that are handed to programs and shared by all of them: nothing can be put on them."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise AttributeError(f"{cls.__name__} cannot be changed")

    def __instancecheck__(cls, instance: Any) -> bool:
        # What two counters add up to is of the plain class.
        return super().__instancecheck__(instance) or (cls is _Counter and isinstance(instance, Counter))


# Named as in messages and texts.
_Counter: Any = _Fixed("Counter", (Counter,), {"__slots__": ()})


class _DefaultDict(dict[Any, Any], metaclass=_Fixed):
    """As ``collections.defaultdict``, which crashes the interpreter when deeply nested ones are freed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Any] | None = None, *items: Any, **named: Any) -> None:
        if make is not None and not callable(make):
            raise TypeError("first argument must be callable or None")
        super().__init__(*items, **named)
        self._make = make

    def __missing__(self, key: Any) -> Any:
        if self._make is None:
            raise KeyError(key)
        value = self[key] = self._make()
        return value

    def copy(self) -> _DefaultDict:
        return _DefaultDict(self._make, self)


def _eager(function: Callable[..., Any], charge: Callable[[Any], Any]) -> Callable[..., Any]:
    def eager(*arguments: Any, **named: Any) -> Any:
        # Of many arguments, each element may be as wide.
        most = MAX_SIZE // max(1, len(arguments) - 2)
        items = list(islice(function(*arguments, **named), most + 1))
        if len(items) > most:
            raise ValueError(f"more than {most} elements of {len(arguments)} arguments")
        return iter(charge(items))

    return eager


def _apart(function: Callable[..., Any], charge: Callable[[Any], Any]) -> Callable[..., Any]:
    """With copies of what is looked through, so that the first argument, which is called, cannot make it longer meanwhile."""
    return lambda call, *items: function(call, *(charge(list(part)) for part in items))


def _extreme(function: Callable[..., Any], charge: Callable[[Any], Any]) -> Callable[..., Any]:
    """``max`` or ``min``, with a copy of what is looked through as in ``_apart``."""

    def extreme(*items: Any, **named: Any) -> Any:
        return function(*((charge(list(items[0])),) if len(items) == 1 else items), **named)

    return extreme


def _make_charge(meter: Meter) -> Callable[[Any], Any]:
    burn = meter.burn

    def charge(value: Any) -> Any:
        """The value itself, after burning fuel for its size."""
        try:
            size = len(value)
        except TypeError:
            return value
        if size > MAX_SIZE:
            raise ValueError(f"a value of {size} elements is larger than {MAX_SIZE}")
        if size > 63:
            burn(size >> 6)
        return value

    return charge


def _operators(charge: Callable[[Any], Any]) -> dict[str, Callable[[Any, Any], Any]]:
    def sized(size: int) -> None:
        if size > MAX_SIZE:
            raise ValueError(f"a value of {size} elements is larger than {MAX_SIZE}")

    def add(left: Any, right: Any) -> Any:
        kind = type(left)
        if kind is int or kind is float:
            return left + right
        if isinstance(left, Sized) and isinstance(right, Sized):
            sized(len(left) + len(right))
        return charge(left + right)

    def iadd(left: Any, right: Any) -> Any:
        kind = type(left)
        if kind is int or kind is float:
            return left + right
        if not isinstance(right, Sized):
            right = list(right) if isinstance(right, Iterator) else right
        if isinstance(left, Sized) and isinstance(right, Sized):
            sized(len(left) + len(right))
        charge(right)
        left += right
        return left if type(left) is list else charge(left)

    def mul(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            product = left * right  # factors were bounded when they were made, so this one step is cheap
            if -_BIG < product < _BIG:
                return product
            raise ValueError(f"a whole number of more than {MAX_BITS} bits")
        if type(left) is float or type(right) is float:
            return left * right
        value, times = (left, right) if isinstance(left, Sized) else (right, left)
        if isinstance(value, Sized) and hasattr(times, "__index__"):
            sized(len(value) * max(operator.index(times), 0))
        return charge(left * right)

    def mod(left: Any, right: Any) -> Any:
        if isinstance(left, str):
            raise TypeError("formatting with % is not available; use an f-string")
        return left % right

    def sub(left: Any, right: Any) -> Any:
        kind = type(left)
        return left - right if kind is int or kind is float else charge(left - right)

    return {"add": add, "iadd": iadd, "sub": sub, "mul": mul, "mod": mod, "pow": _pow, "lshift": _lshift}


def _pow(base: Any, exponent: Any) -> Any:
    if type(base) in _INTEGERS and type(exponent) in _INTEGERS and exponent > 0 and base.bit_length() * exponent > MAX_BITS:
        raise ValueError(f"a whole number of more than {MAX_BITS} bits")
    return base**exponent


def _lshift(value: Any, places: Any) -> Any:
    if type(value) in _INTEGERS and type(places) in _INTEGERS and (places > MAX_BITS or value.bit_length() + places > MAX_BITS):
        raise ValueError(f"a whole number of more than {MAX_BITS} bits")
    return value << places


def _int(*values: Any, **named: Any) -> int:
    # With a base that is a power of two, the interpreter bounds nothing.
    if values and isinstance(values[0], str) and len(values[0]) > _DIGITS:
        raise ValueError(f"a whole number of more than {_DIGITS} digits")
    return int(*values, **named)


def _own(value: Any) -> Any:
    """The value itself, if it is an instance or a class of the program, on which attributes with plain names may be put."""
    kind = type(value)
    if (value if kind is type else kind).__module__ != MODULE:
        name = value.__name__ if isinstance(value, type) else kind.__name__
        raise AttributeError(f"attributes may be set on objects of the program's own classes only, not on {name}")
    return value


def _make_build_class(meter: Meter) -> Callable[..., Any]:
    def build_class(body: Callable[..., Any], name: str, *bases: Any) -> Any:
        meter.burn(_CLASS_TICKS)
        for base in bases:
            own = type(base) is type and base.__module__ == MODULE and len(base.__mro__) < _DEEPEST
            if not own and not any(base is known for known in _BASES):
                raise TypeError(f"class {name}: may only inherit from classes of this program, object or Exception, up to {_DEEPEST} deep")
        return _BUILTINS["__build_class__"](body, name, *bases)

    return build_class


def _range(*bounds: int) -> range:
    value = range(*bounds)
    if value and (value[-1] - value[0]) // value.step >= MAX_SIZE:
        raise ValueError(f"a range of more than {MAX_SIZE} numbers")
    return value


def _round(number: Any, digits: int | None = None) -> Any:
    return round(number) if digits is None else round(number, max(-20, min(20, digits)))


def _sum(items: Any, start: Any) -> Any:
    if type(start) not in (int, float, bool):
        raise TypeError("sum adds numbers; use a loop or a comprehension to join lists")
    return sum(items, start)


def error_text(error: BaseException) -> str:
    """What an error says; nothing where that would be long, or would ask objects of the program."""
    try:
        return _text(error, str)
    except (TypeError, ValueError, RecursionError):
        return ""


def _text(value: Any, render: Callable[[Any], str]) -> str:
    """Text of a plain value, of a container of plain values or of an error with such arguments; the size is bounded first."""
    if type(value) in _PLAIN:
        return render(value)
    todo, parts, length = [value.args if isinstance(value, BaseException) else value], 0, 0
    while todo:
        part = todo.pop()
        parts += 1
        length += len(part) if type(part) is str else 0
        if parts > _TEXT_NODES or length > MAX_SIZE:
            raise ValueError(f"a value of more than {_TEXT_NODES} parts or {MAX_SIZE} characters cannot be made into text")
        if isinstance(part, dict):
            todo.extend(islice(part, _TEXT_NODES))
            todo.extend(islice(part.values(), _TEXT_NODES))
        elif isinstance(part, list | tuple | set | frozenset | deque):
            todo.extend(islice(part, _TEXT_NODES))
        elif type(part) not in _PLAIN:
            raise TypeError("only plain values can be made into text")
    return render(value)


def _method(target: Any, name: str) -> Any:
    """A method that only happens to have the name of a guarded one; never the unbounded one of a type."""
    if (target if type(target) is type else type(target)).__module__ != MODULE:
        raise AttributeError(f"{type(target).__name__} has no {name} that can be called like this")
    return getattr(target, name)


def _methods(charge: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    def bounded(items: Any) -> Any:
        # A copy, so that a container is never fed from an iterator over itself.
        return charge(items if isinstance(items, Sized) else list(items))

    def join(text: Any, *items: Any, **named: Any) -> Any:
        if type(text) is not str or len(items) != 1:
            return _method(text, "join")(*items, **named)
        parts = list(items[0])
        if sum(len(part) + len(text) for part in parts) > MAX_SIZE:
            raise ValueError(f"a text longer than {MAX_SIZE}")
        return charge(text.join(parts))

    def replace(text: Any, *values: Any, **named: Any) -> Any:
        if type(text) is not str or len(values) < 2:
            return _method(text, "replace")(*values, **named)
        old, new = values[:2]
        if len(text) + text.count(old) * len(new) > MAX_SIZE:
            raise ValueError(f"a text longer than {MAX_SIZE}")
        return charge(text.replace(*values))

    def extend(target: Any, *items: Any, **named: Any) -> Any:
        if type(target) not in (list, deque) or len(items) != 1:
            return _method(target, "extend")(*items, **named)
        more = bounded(items[0])
        charge(target)
        return target.extend(more)

    def extendleft(target: Any, *items: Any, **named: Any) -> Any:
        if type(target) is not deque or len(items) != 1:
            return _method(target, "extendleft")(*items, **named)
        more = bounded(items[0])
        charge(target)
        return target.extendleft(more)

    def update(target: Any, *items: Any, **named: Any) -> Any:
        if not isinstance(target, dict | set):
            return _method(target, "update")(*items, **named)
        charge(target)
        return target.update(*(bounded(part) for part in items), **named)

    return {"join": join, "replace": replace, "extend": extend, "extendleft": extendleft, "update": update}


def _module(name: str, members: dict[str, Any]) -> Any:
    """An object with read-only members: slots leave an instance no room for others."""
    wrapped = {key: staticmethod(value) if callable(value) else value for key, value in members.items()}
    return type(name, (), {"__slots__": (), **wrapped})()


def _random_module(generator: random.Random, charge: Callable[[Any], Any]) -> Any:
    members: dict[str, Any] = {name: getattr(generator, name) for name in MODULES["random"]}

    def choices(population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
        if k > MAX_SIZE:
            raise ValueError(f"more than {MAX_SIZE} choices")
        return charge(generator.choices(population, weights, cum_weights=cum_weights, k=k))

    def sample(population: Any, k: int) -> Any:
        return charge(generator.sample(population, k))

    def shuffle(items: Any) -> None:
        generator.shuffle(charge(items))

    return _module("random", members | {"choices": choices, "sample": sample, "shuffle": shuffle})


def _collections_module(charge: Callable[[Any], Any]) -> Any:
    def make_deque(items: Any = (), maxlen: int | None = None) -> Any:
        return charge(deque(items, maxlen))

    return _module("collections", {"Counter": _Counter, "defaultdict": _DefaultDict, "deque": make_deque})


_BUILTINS: MappingProxyType[str, Any] = MappingProxyType(dict(vars(__import__("builtins"))))
_NATIVE = frozenset(
    {"abs", "all", "any", "classmethod", "divmod", "isinstance", "len", "next", "object", "property", "reversed"} | {"staticmethod"}
)
_MATH = _module("math", {name: getattr(math, name) for name in MODULES["math"]})
