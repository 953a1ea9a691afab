class Mode:
    def __init__(self, value, name):
        self.value = value
        self.name = name


class Modes:
    CALM = Mode(0, "calm")
    ALERT = Mode(1, "alert")
    PANIC = Mode(2, "panic")
    ALL = [CALM, ALERT, PANIC]


def mode_for(ratio, hostiles):
    level = 0
    if hostiles > 0:
        level += 1
    if ratio < 0.4:
        level += 2
    return Modes.ALL[min(level, len(Modes.ALL) - 1)]


class PolicyOverSkills:
    def __init__(self):
        self.mode = Modes.CALM
        self.changes = []

    def observe(self, facts):
        new = mode_for(facts.hp / max(1, facts.max_hp), facts.hostiles_near)
        if new is not self.mode:
            self.changes.append(new.name)
            self.mode = new

    def next_skill(self, facts, finished, startable):
        table = {Modes.CALM: ["merchant", "discoverer"], Modes.ALERT: ["discoverer", "descender"], Modes.PANIC: ["ascender"]}
        for skill in table[self.mode]:
            if skill in startable:
                return skill
        return startable[self.mode.value % len(startable)]

    def interrupt(self, facts, skill):
        return self.mode is Modes.PANIC and skill != "ascender" and self.changes[-1:] == ["panic"] and len(self.changes) % 2 == 1

    def is_done(self, facts):
        return self.changes.count("alert") >= 5 and self.mode == Modes.CALM
