"""One game: what holds in the house, what the player has seen of it, and which way leads where.

A scene is what follows from the state alone, a view what follows from the state and from what has been seen. Both are kept for the episode,
since players come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maestromotif.domains.textgame.house import ROOMS, THINGS, House
from maestromotif.domains.textgame.rules import CONTAINERS, KITCHEN, Deed, Rules
from maestromotif.domains.textgame.vocabulary import LOOK, Event

__all__ = ["EATEN", "HAND", "HERE", "NOWHERE", "TARGETS", "Play", "Scene", "View"]

# Where ways lead: to what has never been seen, to things, to the kitchen, and to the door of the cellar.
TARGETS = ("unseen", "key", "food", "treat", "kitchen", "door")
HERE, NOWHERE = "here", ""
HAND, EATEN = "I", "eaten"


@dataclass(frozen=True, slots=True)
class Scene:
    """What follows from the state.

    Attributes:
        deeds: what can be done, in the order of their commands.
        room: where the player is.
        places: of each of ``THINGS``: the id of a room or of furniture, ``HAND`` or ``EATEN``.
        seen: the things that can be seen, and containers that can be looked into, as bits; see ``Play``.
        shut: ids of doors and containers that are closed or locked.
        locked: the cellar's door is locked.
        food: index in ``FOODS``.
    """

    deeds: tuple[Deed, ...]
    room: str
    places: tuple[str, ...]
    seen: int
    shut: frozenset[str]
    locked: bool
    food: int


@dataclass(frozen=True, slots=True)
class View:
    """What the player knows.

    Attributes:
        ways: for each of ``TARGETS``: the command (of a ``Deed``) that leads there, ``HERE``, or ``NOWHERE``.
        known: of each of ``THINGS``, whether it has been seen.
        rooms: how many rooms have been entered.
        door: the cellar's door has been seen.
    """

    ways: tuple[str, ...]
    known: tuple[bool, ...]
    rooms: int
    door: bool


_CLOSABLE = (*CONTAINERS, "locked_door", "plain_door")


class Play:
    """A game that goes on.

    What has been seen is kept as bits: rooms entered, containers looked into, things seen, in this order.
    """

    def __init__(self, rules: Rules, house: House) -> None:
        self.house = house
        self.state = rules.mask(house.facts)
        self.event = Event(LOOK)
        bits = rules.bits
        self._rooms = [(room, 1 << bits["at", "P", room]) for room in ROOMS]
        possible = sorted(rules.possible(self.state), key=lambda deed: deed.command.format(**house.names))
        anywhere = sum(bit for _, bit in self._rooms)
        # What can be done in a room: deeds that need the player there, and those that need no room.
        self._possible = {room: [deed for deed in possible if deed.needs & anywhere in (0, bit)] for room, bit in self._rooms}
        self._places = [
            [(place, 1 << bits[fact]) for place, fact in ((place, (how, thing, place)) for how, place in _PLACES) if fact in bits]
            + [(EATEN, 1 << bits[fact]) for fact in (("consumed", thing),) if fact in bits]
            for thing in THINGS
        ]
        self._shut = [(one, 1 << bits["open", one]) for one in _CLOSABLE]
        self._lock = 1 << bits["locked", "locked_door"]
        self._cooked, self._burned = 1 << bits["cooked", "food"], 1 << bits["burned", "food"]
        self._room_of = {one: room for room, furniture in house.furniture.items() for one in furniture} | {room: room for room in ROOMS}
        self._scenes: dict[int, Scene] = {}
        self._views: dict[tuple[int, int], View] = {}
        self.seen = 0
        self.scene = self._look()
        self.seen = self._see()
        self.view = self._understand()

    def act(self, deed: Deed) -> None:
        """Do something that can be done."""
        before, seen = self.scene.room, self.seen
        self.state = deed.apply(self.state)
        self.scene = self._look()
        self.seen = self._see()
        self.view = self._understand()
        self.event = self._tell(deed, before, seen)

    def wait(self) -> None:
        """Let a moment pass."""
        self.event = Event("nothing")

    def place_room(self, place: str) -> str:
        """The room that a place is in; empty for what is in no room."""
        return self._room_of.get(place, "")

    def _look(self) -> Scene:
        state = self.state
        scene = self._scenes.get(state)
        if scene is None:
            room = next(room for room, bit in self._rooms if state & bit)
            deeds: dict[str, Deed] = {}
            for deed in self._possible[room]:
                if deed.needs & ~state == 0:
                    # Either hand does; one of them is enough.
                    deeds.setdefault(deed.command, deed)
            places = tuple(next(place for place, bit in found if state & bit) for found in self._places)
            shut = frozenset(one for one, bit in self._shut if not state & bit)
            seen = 1 << ROOMS.index(room)
            for number, one in enumerate(CONTAINERS, len(ROOMS)):
                if self._room_of[one] == room and one not in shut:
                    seen |= 1 << number
            for number, place in enumerate(places, len(ROOMS) + len(CONTAINERS)):
                if place == HAND or (self._room_of.get(place) == room and place not in shut):
                    seen |= 1 << number
            food = 3 if places[1] == EATEN else 2 if state & self._burned else 1 if state & self._cooked else 0
            scene = Scene(tuple(deeds.values()), room, places, seen, shut, bool(state & self._lock), food)
            self._scenes[state] = scene
        return scene

    def _see(self) -> int:
        return self.seen | self.scene.seen

    def _understand(self) -> View:
        place = self.state, self.seen
        view = self._views.get(place)
        if view is None:
            view = self._views[place] = self._view()
        return view

    def _view(self) -> View:
        scene, seen = self.scene, self.seen
        entered = [bool(seen >> number & 1) for number in range(len(ROOMS))]
        known = tuple(
            bool(seen >> number & 1) for number in range(len(ROOMS) + len(CONTAINERS), len(ROOMS) + len(CONTAINERS) + len(THINGS))
        )
        first = self._first_commands(entered)
        ways = {"kitchen": first.get(KITCHEN, NOWHERE) if entered[0] else NOWHERE, "unseen": NOWHERE, "door": NOWHERE}
        for room, command in first.items():
            if not entered[ROOMS.index(room)]:
                ways["unseen"] = ways["unseen"] or command
                continue
            if not ways["door"] and any(way.door == "locked_door" for way in self.house.exits[room].values()):
                ways["door"] = command
            for number, one in enumerate(CONTAINERS, len(ROOMS)):
                if not ways["unseen"] and not seen >> number & 1 and self._room_of[one] == room:
                    ways["unseen"] = f"open {{{one}}}" if command == HERE else command
        for thing, place, aware in zip(THINGS, scene.places, known, strict=True):
            command = first.get(self._room_of.get(place, ""), NOWHERE) if aware else NOWHERE
            ways[thing] = f"open {{{place}}}" if command == HERE and place in scene.shut else command
        door = any(
            way.door == "locked_door" for room, here in zip(ROOMS, entered, strict=True) if here for way in self.house.exits[room].values()
        )
        return View(tuple(ways[target] for target in TARGETS), known, sum(entered), door)

    def _first_commands(self, entered: Sequence[bool]) -> Mapping[str, str]:
        """The first command on the shortest known way to each room that can be reached, nearest first. Nobody knows a way on from a room
        that was never entered."""
        scene, exits = self.scene, self.house.exits
        first = {scene.room: HERE}
        queue = deque([scene.room])
        while queue:
            room = queue.popleft()
            if not entered[ROOMS.index(room)]:
                continue
            for direction, way in exits[room].items():
                if way.room in first or (way.door == "locked_door" and scene.locked):
                    continue
                shut = way.door in scene.shut
                first[way.room] = first[room] if room != scene.room else f"open {{{way.door}}}" if shut else f"go {direction}"
                queue.append(way.room)
        return first

    def _tell(self, deed: Deed, before: str, seen: int) -> Event:
        scene, names = self.scene, self.house.names
        fresh = scene.seen & ~seen
        entered = names[scene.room] if scene.room != before else ""
        things = tuple(thing for number, thing in enumerate(THINGS, len(ROOMS) + len(CONTAINERS)) if fresh >> number & 1)
        return Event(
            deed.rule,
            deed.things,
            tuple(names[one] for one in deed.things),
            entered,
            bool(entered and fresh >> ROOMS.index(scene.room) & 1),
            deed.rule == "open/c" and any(fresh >> len(ROOMS) + number & 1 for number in range(len(CONTAINERS))),
            things,
            tuple(names[thing] for thing in things),
        )


_FURNITURE = (*(("in", one) for one in CONTAINERS), *(("on", one) for one in ("stove", "table", "shelf", "rack")))
_PLACES = (*(("at", room) for room in ROOMS), *_FURNITURE, ("in", HAND))
