class PolicyOverSkills:
    def __init__(self):
        self.last = None
        self.streak = 0

    def next_skill(self, facts, finished, startable):
        if (missing := facts.max_hp - facts.hp) > 5 and "ascender" in startable:
            return "ascender"
        self.streak = self.streak + 1 if finished == self.last else 0
        self.last = finished
        deep = "descender" if facts.depth < 3 else "ascender" if facts.depth > 4 else "discoverer"
        pool = [skill for skill in startable if (n := len(skill)) % 2 == 0 or n > 9]
        return pool[self.streak % len(pool)] if pool and missing == 0 else deep if deep in startable else startable[0]

    def interrupt(self, facts, skill):
        return True if (low := facts.hp * 4 < facts.max_hp) and skill == "descender" else not low and facts.steps_here == 77
