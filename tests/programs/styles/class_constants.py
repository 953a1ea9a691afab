class Config:
    MAX_DEPTH = 4
    HEALTHY = 0.6
    ORDER = ("merchant", "worshipper", "discoverer", "descender", "ascender")
    RANK = {"merchant": 0, "worshipper": 1, "discoverer": 2, "descender": 3, "ascender": 4}


class PolicyOverSkills:
    """
    Goes down to MAX_DEPTH, comes back, and repeats.
    """

    journeys = 0
    direction = 1

    @staticmethod
    def healthy(facts):
        return facts.hp >= Config.HEALTHY * facts.max_hp

    @classmethod
    def rank(cls, skill):
        return Config.RANK.get(skill, len(Config.ORDER))

    @property
    def going_down(self):
        return self.direction > 0

    def observe(self, facts):
        if facts.depth >= Config.MAX_DEPTH:
            self.direction = -1
        elif facts.depth == 1 and not self.going_down:
            self.direction = 1
            self.journeys += 1

    def next_skill(self, facts, finished, startable):
        ordered = sorted(startable, key=self.rank)
        if not self.healthy(facts):
            ordered.reverse()
        stairs = "descender" if self.going_down else "ascender"
        return ordered[0] if ordered[0] in Config.ORDER[:2] else stairs if stairs in startable else ordered[-1]

    def is_done(self, facts):
        return self.journeys >= PolicyOverSkills.journeys + 2
