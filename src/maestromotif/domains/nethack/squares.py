"""What a square can be. Plain ints in a module of their own, because compiled code can read those.

Terrain is what lies under everything else, as far as it is known; flags say what else a glyph is, one bit each.
"""

UNKNOWN = 0
SOLID = 1  # walls, bars, trees, water, lava, raised drawbridges
FLOOR = 2
DOORWAY = 3  # empty or broken door: can be crossed diagonally
OPEN_DOOR = 4
CLOSED_DOOR = 5
STAIRS_DOWN = 6  # ladders too
STAIRS_UP = 7
ALTAR = 8
FURNITURE = 9  # fountain, sink, throne, grave
TRAP = 10  # to be walked around
FALL = 11  # trap door or hole: a way down
BOULDER = 12
LOCKED_DOOR = 13  # a closed door that did not open
USED_STAIRS_DOWN = 14  # the character has passed them: where a branch begins, the other ones may be wanted
SHOP_FLOOR = 15  # where a shopkeeper buys what is put down; the squares at the door are not among them
TERRAINS = 16  # that are told apart in observations, where what follows counts as unknown
ROCK = 16  # nothing has shown there to somebody who stood beside it

MONSTER = 1
KEEPER = 2  # shopkeeper
PEACEFUL = 4  # shopkeeper, priest, guard, watch, Oracle: not to be fought
ITEM = 8  # worth walking to: what autopickup takes
ORACLE = 16  # the Oracle, or a statue of a centaur of her centre
OBJECT = 32
FORBIDDEN = 64  # a monster that harms whoever strikes it and leaves others alone, or is deadly
EDIBLE = 128  # a corpse that does a human being good while it is fresh
DEADLY = 256  # a monster whose touch kills
PARALYSING = 512  # a monster that does no more than paralyse whoever strikes it
