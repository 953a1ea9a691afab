"""The same house as a game of TextWorld's own, to compare with and to measure against; playing does not need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maestromotif.domains.textgame.house import House
from maestromotif.domains.textgame.rules import ENTITIES, load_logic, require_textworld

__all__ = ["make_original"]

_GRAMMAR = "challenges/tw_cooking/textworld_data/text_grammars"
_OTHER_WAY = {"north_of": "south_of", "west_of": "east_of"}


def make_original(house: House) -> Any:
    """A ``textworld.Game`` whose things have the names of the house. Its quest is to eat the treat."""
    package = require_textworld()
    from textworld.generator.data import KnowledgeBase
    from textworld.generator.game import Event, Game, Quest
    from textworld.generator.world import World
    from textworld.logic import Proposition, Variable

    grammar = Path(package.__file__).parent / _GRAMMAR
    knowledge = KnowledgeBase(load_logic(), str(grammar))
    # Names of kinds, such as "key", mean something else to the compiler of TextWorld's games.
    things = {entity: Variable(entity if entity in "PI" else f"{entity}_1", kind) for entity, kind in ENTITIES.items()}
    facts = [Proposition(name, [things[one] for one in about]) for name, *about in sorted(house.facts)]
    # Rules know two directions, maps want all four.
    for name, *about in sorted(house.facts):
        if name in _OTHER_WAY:
            facts.append(Proposition(_OTHER_WAY[name], [things[one] for one in reversed(about)]))
    game = Game(World.from_facts(facts, kb=knowledge))
    for entity, name in house.names.items():
        game.infos[things[entity].name].name = name
    for infos in game.infos.values():
        infos.desc = ""
    game.quests = [Quest(win_events=[Event(conditions={Proposition("consumed", [things["treat"]])})])]
    return game
