# Time is split into phases; each phase has its favourite skills.
PHASES = (
    (0, 60, ["discoverer"]),
    (60, 140, ["descender", "discoverer"]),
    (140, 220, ["merchant", "worshipper", "discoverer"]),
    (220, 10**9, ["ascender", "descender"]),
)


class PolicyOverSkills:
    def __init__(self):
        self.phase = -1
        self.asked = 0

    def phase_at(self, steps):
        for number, (begin, end, _) in enumerate(PHASES):
            if begin <= steps < end:
                return number
        return len(PHASES) - 1

    def next_skill(self, facts, finished, startable):
        self.asked += 1
        self.phase = self.phase_at(facts.steps)
        _, _, favourites = PHASES[self.phase]
        possible = list(filter(lambda skill: skill in startable, favourites))
        if not possible:
            possible = list(startable)
        return possible[self.asked % len(possible)]

    def interrupt(self, facts, skill):
        phase = self.phase_at(facts.steps)
        changed = phase != self.phase
        self.phase = phase
        return changed

    def is_done(self, facts):
        return self.phase == 3 and facts.steps % 100 == 99
