"""Facts, events and observations of games that have just been reset or stepped: compiled, for all of them at once.

``F`` facts that are numbers, in the order of ``NUMBERS``; events as in ``vocabulary``, keys that no two events share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import Bag, ObservationSpec
from maestromotif.domains.grid import sight
from maestromotif.domains.grid import vocabulary as words
from maestromotif.domains.grid.compiled import compiled
from maestromotif.domains.grid.world import BALL, BOX, FLOOR, GOAL, KEY, LOCKED, OPEN, SILL

__all__ = ["COLUMNS", "NUMBERS", "OBSERVATION", "THINGS", "observe", "tell"]

Integers = NDArray[np.int64]

THINGS = (KEY, BALL, BOX)  # as in HANDS[1:]
_WAYS = len(sight.TARGETS)
# Where each part of the status bag begins: hand, room, door, what is on the next square.
_STATUS = np.cumsum([1, len(words.HANDS), len(words.ROOMS), len(words.DOORS)])

OBSERVATION = ObservationSpec(
    bags={
        "view": Bag(sight.VIEW_BAG, sight.VIEW**2),
        "ways": Bag(1 + _WAYS * sight.HERE, _WAYS),
        "status": Bag(int(_STATUS[-1]) + len(words.BEFORE), len(_STATUS)),
    },
    dense=_WAYS,
    actions=len(words.ACTIONS),
    skip=("ways", "status"),
)

# Facts are numbers, but for the message.
NUMBERS = tuple(spec.name for spec in words.FACTS if spec.name != "message")
COLUMNS = {name: column for column, name in enumerate(NUMBERS)}
_X, _Y, _FACING, _ROOM, _BEFORE = (COLUMNS[name] for name in ("x", "y", "facing", "room", "before"))
_CARRYING, _DOOR, _SQUARES, _MORE = (COLUMNS[name] for name in ("carrying", "door", "squares_seen", "more_to_see"))
_GOAL_SEEN, _ON_GOAL, _VISITS = (COLUMNS[name] for name in ("goal_seen", "on_goal", "goal_visits"))
_AT = np.array([COLUMNS[f"{name}_at"] for name in words.HANDS[1:]])

_SEEN_KINDS = np.array((KEY, LOCKED, BALL, BOX, GOAL))  # by bit, as in THINGS of the vocabulary
_PLACES = np.array((0, -1, 1, 2, -1))  # of those that can be carried, index in THINGS
_HAND = np.zeros(9, np.int64)  # by code: index in HANDS
_HAND[list(THINGS)] = 1, 2, 3
_NOTED = _HAND.copy()  # by code: index in the sign "before"
_NOTED[LOCKED] = len(THINGS) + 1
_SIZES = np.array(words.SIZES)
_AMOUNTS = np.array(words.AMOUNTS)
_LOOK, _TURNED, _WALKED, _ENTERED_GOAL = words.LOOK, words.TURNED, words.WALKED, words.ENTERED_GOAL
_KEY_HAND = words.HANDS.index("key")


@compiled
def tell(
    games: Integers,
    deeds: Integers,
    cells_BS: NDArray[np.int8],
    place_B3: Integers,
    walls_B2: Integers,
    width: int,
    fresh_B: Integers,
    kinds_B: Integers,
    ways_BT: Integers,
    where_B3: Integers,
    numbers_BF: Integers,
    event_BE: Integers,
    key_B: Integers,
) -> None:
    """Facts and event of each game, from the facts of the state before.

    Args:
        games: which games.
        deeds: what was done, for each of ``games``.
        where_B3: where key, ball and box are, as in ``AT``.
        numbers_BF: facts, except those that a deed changes by itself: read and written.
    """
    for index, game in enumerate(games):
        deed, facts, event = deeds[index], numbers_BF[game], event_BE[game]
        x, y, facing = place_B3[game]
        square = y * width + x
        before = cells_BS[game, square + sight.DY[facing] * width + sight.DX[facing]]
        room = int(walls_B2[game, 0] < x) + int(walls_B2[game, 1] < x)
        on_goal = int(cells_BS[game, square] == GOAL)
        reached = on_goal > facts[_ON_GOAL]
        entered = room + 1 if deed != _LOOK and room != facts[_ROOM] else 0
        bits = 0
        for bit in range(len(_SEEN_KINDS)):
            if kinds_B[game] >> _SEEN_KINDS[bit] & 1:
                bits |= 1 << bit
                if _PLACES[bit] >= 0:
                    facts[_AT[_PLACES[bit]]] = where_B3[game, _PLACES[bit]]
        for place in range(len(_AT)):
            if facts[_AT[place]]:
                facts[_AT[place]] = where_B3[game, place]
        facts[_X], facts[_Y], facts[_FACING], facts[_ROOM], facts[_BEFORE] = x, y, facing, room, before
        facts[_SQUARES] += fresh_B[game]
        facts[_MORE] = ways_BT[game, 0] != sight.NOWHERE
        facts[_DOOR] = max(facts[_DOOR], int(kinds_B[game] >> LOCKED & 1))
        facts[_GOAL_SEEN] |= kinds_B[game] >> GOAL & 1
        facts[_ON_GOAL] = on_goal
        facts[_VISITS] += reached
        event[0] = deed
        event[1] = _ENTERED_GOAL if reached else entered
        event[2] = 0
        for most in _AMOUNTS:
            event[2] += fresh_B[game] > most
        event[3] = bits
        event[4] = _NOTED[before] if deed in (_TURNED, _TURNED + 1, _WALKED) else 0
        key = 0
        for part in range(len(_SIZES)):
            key = key * _SIZES[part] + event[part]
        key_B[game] = key + 1


@compiled
def observe(
    games: Integers,
    numbers_BF: Integers,
    ways_BT: Integers,
    far_BT: Integers,
    ways_bag: NDArray[np.int16],
    status_bag: NDArray[np.int16],
    dense: NDArray[np.float32],
    mask: NDArray[np.uint8],
) -> None:
    """What the network sees beside the view, and which actions can do something."""
    for game in games:
        facts = numbers_BF[game]
        for way in range(_WAYS):
            leads = ways_BT[game, way]
            ways_bag[game, way] = leads + way * sight.HERE if leads else 0
            dense[game, way] = 1.0 / (1 + far_BT[game, way]) if leads else 0.0
        hand, before = facts[_CARRYING], facts[_BEFORE]
        status_bag[game, 0] = _STATUS[0] + hand
        status_bag[game, 1] = _STATUS[1] + facts[_ROOM]
        status_bag[game, 2] = _STATUS[2] + facts[_DOOR]
        status_bag[game, 3] = _STATUS[3] + before
        allowed = mask[game]
        allowed[0] = allowed[1] = 1
        allowed[2] = before in (FLOOR, OPEN, GOAL, SILL)
        allowed[3] = hand == 0 and _HAND[before] > 0
        allowed[4] = hand > 0 and before == FLOOR
        allowed[5] = before == LOCKED and hand == _KEY_HAND
