"""NetHack's vocabulary for language: documented facts, signs of a transition, and actions, each with its column or index."""

from __future__ import annotations

from maestromotif.domains.contract import FactSpec, SignSpec

__all__ = ["ACTIONS", "BRANCHES", "FACTS", "HUNGER", "SIGNS", "SIGN_BITS"]

BRANCHES = ("main", "gehennom", "mines", "quest", "sokoban", "ludios", "vlad", "planes")
HUNGER = ("satiated", "not hungry", "hungry", "weak", "fainting", "fainted", "starved")

FACTS: tuple[FactSpec, ...] = (
    FactSpec("depth", "int", "how far below the surface the present level lies; the first level has depth 1", least=1, most=50),
    FactSpec("branch", "str", "the part of the dungeon: 'main' until a staircase leads elsewhere", BRANCHES),
    FactSpec("branch_level", "int", "number of the present level inside its branch, counted from 1", least=1, most=29),
    FactSpec(
        "mines_entrance_depth",
        "int",
        "depth of the main level whose second staircase down leads to the Gnomish Mines; 0 while unknown",
        most=4,
    ),
    FactSpec("max_depth", "int", "greatest depth reached in this game", least=1, most=50),
    FactSpec("levels_visited", "int", "number of different levels visited in this game", least=1, most=80),
    FactSpec("turn", "int", "game turn", least=1, most=100_000),
    FactSpec("steps", "int", "environment steps since the game began", most=100_000),
    FactSpec("hp", "int", "hit points", most=500),
    FactSpec("max_hp", "int", "maximum hit points", least=1, most=500),
    FactSpec("experience_level", "int", "experience level of the character", least=1, most=30),
    FactSpec("experience_depth", "int", "depth at which the present experience level was reached", least=1, most=50),
    FactSpec("gold", "int", "gold pieces carried", most=100_000),
    FactSpec("gold_collected", "int", "gold pieces picked up in this game, whether or not they were spent", most=100_000),
    FactSpec("hunger", "str", "state of hunger", HUNGER),
    FactSpec("kills", "int", "monsters killed by the character in this game", most=2_000),
    FactSpec("kills_here", "int", "monsters killed on the present level", most=200),
    FactSpec("steps_here", "int", "environment steps spent on the present level, all visits together", most=20_000),
    FactSpec("items", "int", "number of stacks in the inventory", most=55),
    FactSpec("new_items", "int", "number of stacks in the inventory that the character did not start with", most=55),
    FactSpec("food_items", "int", "number of stacks of food in the inventory", most=20),
    FactSpec("unknown_buc_items", "int", "new stacks not known to be blessed, uncursed or cursed", most=55),
    FactSpec("items_sold", "int", "items sold to shopkeepers in this game", most=200),
    FactSpec("meals", "int", "times the character has finished or begun eating something in this game", most=100),
    FactSpec("shopkeeper_near", "bool", "a shopkeeper is in view"),
    FactSpec("altar_near", "bool", "an altar is in view or remembered on this level"),
    FactSpec("on_altar", "bool", "the character stands on an altar"),
    FactSpec("stairs_down_known", "bool", "a staircase or ladder down has been seen on this level"),
    FactSpec("stairs_up_known", "bool", "a staircase or ladder up has been seen on this level"),
    FactSpec("stairs_down_count", "int", "different staircases down seen on this level (two where a branch begins)", most=3),
    FactSpec("on_stairs_down", "bool", "the character stands on a staircase or ladder down"),
    FactSpec("on_stairs_up", "bool", "the character stands on a staircase or ladder up"),
    FactSpec("unexplored_reachable", "bool", "some square that has not been explored can be walked to on this level"),
    FactSpec("squares_seen_here", "int", "squares of the present level seen so far", most=1_659),
    FactSpec("hostiles_near", "int", "monsters in view that are not shopkeepers, priests or guards", most=40),
    FactSpec("oracle_near", "bool", "the Oracle or the statues of her centre are in view"),
    FactSpec("minetown_seen", "bool", "a shopkeeper, priest, watchman, altar or fountain was seen on level 3 or 4 of the Gnomish Mines"),
    FactSpec("meals_in_mines", "int", "times the character has finished or begun eating something in the Gnomish Mines", most=100),
    FactSpec("priced_items", "int", "kinds of unknown items for which a shopkeeper has made an offer in this game", most=200),
    FactSpec("buc_identified_items", "int", "items whose blessing or curse an altar has shown in this game", most=200),
    FactSpec("message", "str", "all messages of the last step, joined"),
)

SIGNS: tuple[SignSpec, ...] = (
    SignSpec("level", ("same", "deeper", "higher", "left the dungeon"), "change of the dungeon level"),
    SignSpec("gold", ("same", "more", "less"), "change of the gold carried"),
    SignSpec("hit_points", ("same", "more", "less"), "change of the hit points"),
    SignSpec("experience", ("same", "more", "less"), "change of the experience level"),
    SignSpec("hunger", ("same", "hungrier", "less hungry"), "change of the state of hunger"),
    SignSpec("new_squares", ("none", "few", "some", "many"), "squares seen for the first time: few is 1-3, some 4-11, many 12 or more"),
    SignSpec("stairs_down", ("same", "came into view"), "a staircase down seen for the first time"),
    SignSpec("stairs_up", ("same", "came into view"), "a staircase up seen for the first time"),
    SignSpec("altar", ("same", "came into view", "stepped onto"), "an altar seen for the first time, or stepped onto"),
    SignSpec("shop", ("same", "came into view"), "a shopkeeper comes into view"),
    SignSpec("items", ("same", "gained", "lost"), "change of the inventory"),
    SignSpec("alive", ("alive", "died"), "whether the character died"),
)

SIGN_BITS = 18  # of a reward key are for signs, the others for the message

_WAYS = ("north", "east", "south", "west", "northeast", "southeast", "southwest", "northwest")
ACTIONS: tuple[str, ...] = (
    *_WAYS,
    *(f"far {way}" for way in _WAYS),
    "up",
    "down",
    "wait",
    "more",
    "kick",
    "eat",
    "search",
    "cast",
    "enhance",
    "pray",
    "quaff",
    "drop",
)
