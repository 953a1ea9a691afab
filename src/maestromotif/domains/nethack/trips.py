"""The sets of actions to choose from: the paper's, and the same with whole trips by the game's own travel command."""

from __future__ import annotations

from collections.abc import Mapping

from maestromotif.domains.nethack.vocabulary import ACTIONS

__all__ = ["ACTION_SETS", "TRIPS"]

# action -> the target that it leads to (see ``layout.TARGETS``)
TRIPS: Mapping[str, str] = {
    "travel down": "stairs_down",
    "travel up": "stairs_up",
    "travel altar": "altar",
    "travel shop": "shop",
    "travel unexplored": "unexplored",
}
ACTION_SETS: Mapping[str, tuple[str, ...]] = {"reference": ACTIONS, "travel": (*ACTIONS, *TRIPS)}
