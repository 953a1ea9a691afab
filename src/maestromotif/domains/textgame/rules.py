"""TextWorld's rules of the cooking world, with every variable filled in once: a state is one whole number, a bit for each fact.

TextWorld matches its rules against all facts anew in every step; that is where its time goes (``benchmarks/textgame.py``). Here every rule
is filled in once for the things that every house has, in all ways that types admit. What can be done in a state is then found by two
operations on whole numbers for each filled-in rule. A test plays both side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from maestromotif.errors import DomainError

__all__ = [
    "CELLAR",
    "CONTAINERS",
    "DIRECTIONS",
    "ENTITIES",
    "KITCHEN",
    "ROOM_COUNT",
    "Deed",
    "Fact",
    "Rules",
    "load_logic",
    "load_rules",
    "require_textworld",
]

# A predicate and the things it is about.
Fact = tuple[str, ...]

ROOM_COUNT = 6
KITCHEN, CELLAR = "r0", f"r{ROOM_COUNT - 1}"
CONTAINERS = ("fridge", "chest")
# What every house has, with TextWorld's types. Names differ from house to house.
ENTITIES: Mapping[str, str] = {
    "P": "P",
    "I": "I",
    **{f"r{number}": "r" for number in range(ROOM_COUNT)},
    "locked_door": "d",
    "plain_door": "d",
    **dict.fromkeys(CONTAINERS, "c"),
    "stove": "stove",
    "table": "s",
    "shelf": "s",
    "rack": "s",
    "key": "k",
    "food": "f",
    "treat": "f",
    "knife": "o",
    "hand1": "slot",
    "hand2": "slot",
}
DIRECTIONS: Mapping[str, tuple[int, int]] = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
_LOGIC = "challenges/tw_cooking/textworld_data/logic_drop"


@dataclass(frozen=True, slots=True)
class Deed:
    """A rule with all its variables filled in.

    Attributes:
        rule: TextWorld's name.
        command: what is typed, with the ids of things in braces: ``take {food} from {fridge}``.
        things: ids of what the command names, in their order.
        needs, adds, removes: facts, as bits.
        lasting: the part of ``needs`` that no deed changes.
    """

    rule: str
    command: str
    things: tuple[str, ...]
    needs: int
    adds: int
    removes: int
    lasting: int

    def apply(self, state: int) -> int:
        return state & ~self.removes | self.adds


class Rules:
    """All deeds, and the bit of each fact.

    Args:
        logic: TextWorld's ``GameLogic``.
    """

    def __init__(self, logic: Any) -> None:
        self.bits: dict[Fact, int] = {}
        self._kinds = {entity: {one.name for one in logic.types.get(kind).supertypes} for entity, kind in ENTITIES.items()}
        found: dict[tuple[Any, ...], tuple[str, str, tuple[str, ...], int, int, int]] = {}
        for name, rule in logic.rules.items():
            command = logic.inform7.commands[name].command
            for given in self._fillings(rule):
                needs = self._mask(rule.preconditions, given)
                after = self._mask(rule.postconditions, given)
                adds, removes = after & ~needs, needs & ~after
                if adds or removes:
                    filled = command.format(**{key: f"{{{value}}}" for key, value in given.items() if key.isidentifier()})
                    named = tuple(given[part.split("}")[0]] for part in command.split("{")[1:])
                    found[name, needs, adds] = (name, filled, named, needs, adds, removes)
        changing = 0
        for *_, adds, removes in found.values():
            changing |= adds | removes
        self.deeds = tuple(Deed(*values, values[3] & ~changing) for values in found.values())

    def _fillings(self, rule: Any) -> Iterator[dict[str, str]]:
        """All ways to fill in the variables of a rule by different things of the right types."""
        holes = {hole.name: hole.type for part in (*rule.preconditions, *rule.postconditions) for hole in part.parameters}
        fits = [[entity for entity, kinds in self._kinds.items() if kind in kinds] for kind in holes.values()]
        for chosen in product(*fits):
            if len(set(chosen)) == len(chosen):
                yield dict(zip(holes, chosen, strict=True))

    def _mask(self, predicates: Sequence[Any], given: Mapping[str, str]) -> int:
        return self.mask((one.name, *(given[hole.name] for hole in one.parameters)) for one in predicates)

    def mask(self, facts: Any) -> int:
        """The bits of these facts; a fact that was never met gets one."""
        found = 0
        for fact in facts:
            found |= 1 << self.bits.setdefault(fact, len(self.bits))
        return found

    def facts(self, state: int) -> set[Fact]:
        """The facts that hold in a state."""
        return {fact for fact, bit in self.bits.items() if state >> bit & 1}

    def possible(self, state: int) -> list[Deed]:
        """The deeds that may ever be done from a state on, as far as what lasts tells."""
        return [deed for deed in self.deeds if deed.lasting & ~state == 0]


def require_textworld() -> Any:
    """The package.

    Raises:
        DomainError: it is not installed.
    """
    try:
        import textworld
    except ImportError as error:
        raise DomainError("the domain textgame needs TextWorld", "pip install 'maestromotif[textgame]'") from error
    return textworld


def load_logic() -> Any:
    """TextWorld's ``GameLogic`` of the cooking world in which hands can be full, without recipes."""
    folder = Path(require_textworld().__file__).parent / _LOGIC
    from textworld.logic import GameLogic

    return GameLogic.load([str(path) for path in sorted(folder.glob("*.twl")) if path.name != "meal.twl"])


@cache
def load_rules() -> Rules:
    """The rules, read from TextWorld's own files and filled in; a second, once in a process."""
    return Rules(load_logic())
