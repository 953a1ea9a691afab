STEP = 0
SKILL_ORDER = ["discoverer", "descender", "ascender", "merchant", "worshipper"]
offsets = {name: index for index, name in enumerate(SKILL_ORDER)}


def advance(by=1):
    global STEP
    STEP += by
    return STEP


def is_safe(f):
    return not f.hostiles_near and f.hp > 0.5 * f.max_hp


def wants_stairs(f, *, deep=3):
    if f.depth >= deep:
        return False
    return f.stairs_down_known or not f.unexplored_reachable


def choose(f, names):
    names = list(names)
    names.sort(key=lambda name: offsets.get(name, 99))
    if wants_stairs(f) and "descender" in names:
        names.insert(0, names.pop(names.index("descender")))
    if not is_safe(f):
        names = names[::-1]
    return names[0]


class PolicyOverSkills:
    def observe(self, facts):
        advance(2 if is_safe(facts) else 1)

    def next_skill(self, facts, finished, startable):
        return choose(facts, startable) if STEP % 7 else startable[-1]
