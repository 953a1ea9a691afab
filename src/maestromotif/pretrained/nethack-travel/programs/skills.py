"""Where each skill may start and when it is over. May be edited by hand; docs/programs.md says what programs may use."""


# discoverer

def discoverer_can_start(facts):
    return facts.unexplored_reachable or facts.hostiles_near > 0


def discoverer_is_over(facts, start):
    if facts.depth != start.depth or facts.branch != start.branch:
        return True
    return not facts.unexplored_reachable and facts.hostiles_near == 0


# descender

def descender_can_start(facts):
    return True


def descender_is_over(facts, start):
    return facts.depth != start.depth or facts.branch != start.branch


# ascender

def ascender_can_start(facts):
    return True


def ascender_is_over(facts, start):
    return facts.depth != start.depth or facts.branch != start.branch


# merchant

def merchant_can_start(facts):
    return facts.shopkeeper_near and facts.new_items > 0


def merchant_is_over(facts, start):
    if facts.depth != start.depth or facts.branch != start.branch:
        return True
    if facts.items_sold > start.items_sold:
        return True
    return facts.new_items == 0 or not facts.shopkeeper_near


# worshipper

def worshipper_can_start(facts):
    return facts.altar_near and facts.unknown_buc_items > 0


def worshipper_is_over(facts, start):
    if facts.depth != start.depth or facts.branch != start.branch:
        return True
    if facts.unknown_buc_items == 0:
        return True
    return facts.on_altar and facts.unknown_buc_items < start.unknown_buc_items

# Dispatch: what the schedule calls.
CAN_START = {
    "discoverer": discoverer_can_start,
    "descender": descender_can_start,
    "ascender": ascender_can_start,
    "merchant": merchant_can_start,
    "worshipper": worshipper_can_start,
}
IS_OVER = {
    "discoverer": discoverer_is_over,
    "descender": descender_is_over,
    "ascender": ascender_is_over,
    "merchant": merchant_is_over,
    "worshipper": worshipper_is_over,
}


def can_start(skill, facts):
    return CAN_START[skill](facts)


def is_over(skill, facts, start):
    return IS_OVER[skill](facts, start)
