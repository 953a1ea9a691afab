"""Where each feature of an observation lives: the sections of the ``state`` bag, the dense vector, facts and signs.

The kernel in ``features`` writes by these offsets; tests read by them. Index 0 of a bag is padding.
"""

from __future__ import annotations

from collections.abc import Mapping

from maestromotif.domains.contract import Bag, Grid, ObservationSpec
from maestromotif.domains.nethack.glyphs import CROP_TOKENS
from maestromotif.domains.nethack.pictures import CHARACTERS, COLOURS, GLYPHS
from maestromotif.domains.nethack.squares import TERRAINS
from maestromotif.domains.nethack.trips import ACTION_SETS, TRIPS
from maestromotif.domains.nethack.vocabulary import ACTIONS, FACTS, SIGNS

__all__ = [
    "CROP",
    "DENSE_WIDTH",
    "FACT",
    "MAP_CLASSES",
    "MAP_COLUMNS",
    "MAP_SQUARE",
    "MESSAGE_TOKENS",
    "MESSAGE_VOCABULARY",
    "OBSERVATION",
    "OBSERVATIONS",
    "OBSERVATION_SETS",
    "SECTIONS",
    "SIGN",
    "STATE_LENGTH",
    "TARGETS",
    "TEXT",
    "TRIP",
]

CROP = 9  # width of the glyph crop around the character, squares
TARGETS = ("stairs_down", "stairs_up", "unexplored", "altar", "item", "search_spot", "door", "shop")
MAP_SQUARE = (7, 8)  # rows and columns of the level that make one block of the coarse map
MAP_COLUMNS = 10  # blocks side by side; three rows of them
MAP_CLASSES = 6  # nothing known, seen, visited, stairs up, stairs down, the character
MESSAGE_TOKENS = 12  # words of the last messages, hashed
MESSAGE_VOCABULARY = 1024
DENSE_WIDTH = 29

# name -> (number of entries in the bag, number of values of each entry)
_SECTIONS: tuple[tuple[str, int, int], ...] = (
    ("direction", len(TARGETS), 10),  # first step of the shortest path: 8 ways, 8 = here, 9 = none known
    ("distance", len(TARGETS), 8),  # binned length of that path
    ("beside_monster", 8, 1),
    ("beside_terrain", 8, TERRAINS),
    ("here", 1, TERRAINS),
    ("hit_points", 1, 8),
    ("depth", 1, 12),
    ("branch", 1, 8),
    ("experience", 1, 10),
    ("hunger", 1, 7),
    ("steps_here", 1, 8),
    ("stuck", 1, 6),
    ("searched", 1, 6),
    ("new_squares", 1, 4),
    ("monsters", 1, 5),
    ("previous_action", 1, len(ACTIONS) + 1),
    ("prompt", 1, 2),
    ("bag_of_items", 18, 1),
    ("message", MESSAGE_TOKENS, MESSAGE_VOCABULARY),
)


def _offsets() -> tuple[dict[str, tuple[int, int]], int, int]:
    offsets: dict[str, tuple[int, int]] = {}
    index, position = 1, 0
    for name, count, values in _SECTIONS:
        offsets[name] = (position, index)
        position += count
        index += values if name == "message" else count * values  # words share one vocabulary
    return offsets, position, index


# name -> (first position in the bag, first index of its vocabulary)
SECTIONS, STATE_LENGTH, _STATE_SIZE = _offsets()
FACT = {spec.name: column for column, spec in enumerate(FACTS) if spec.name != "message"}
SIGN = {spec.name: column for column, spec in enumerate(SIGNS)}

# Where the actions hold trips, the bag ends in the trip that was the last action: (position, first index).
TRIP = (STATE_LENGTH, _STATE_SIZE)

_PICTURE = 11  # width of the picture for the reference network, squares
TEXT = 256  # bytes of the messages that it reads


def _observations(actions: int, trips: int) -> Mapping[str, ObservationSpec]:
    """What each network sees. ``small`` gets what this package knows of NetHack; the others get raw pictures, as elsewhere."""
    return {
        "small": ObservationSpec(
            bags={
                "view": Bag(CROP * CROP * CROP_TOKENS + 1, CROP * CROP),
                "map": Bag(3 * MAP_COLUMNS * MAP_CLASSES, 3 * MAP_COLUMNS),
                "state": Bag(_STATE_SIZE + trips, STATE_LENGTH + (trips > 0)),
            },
            dense=DENSE_WIDTH,
            actions=actions,
            skip=("state",),
        ),
        "light": ObservationSpec({}, dense=0, actions=actions, grids={"glyphs": Grid(CROP, CROP, GLYPHS)}),
        "reference": ObservationSpec(
            {},
            dense=DENSE_WIDTH,
            actions=actions,
            grids={"characters": Grid(_PICTURE, _PICTURE, CHARACTERS), "colours": Grid(_PICTURE, _PICTURE, COLOURS)},
            texts={"message": TEXT},
        ),
    }


# set of actions -> network -> observation
OBSERVATION_SETS: Mapping[str, Mapping[str, ObservationSpec]] = {
    "reference": _observations(len(ACTIONS), 0),
    "travel": _observations(len(ACTION_SETS["travel"]), len(TRIPS)),
}
OBSERVATIONS = OBSERVATION_SETS["reference"]
OBSERVATION = OBSERVATIONS["small"]
