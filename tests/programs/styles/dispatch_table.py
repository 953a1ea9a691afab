class PolicyOverSkills:
    def __init__(self):
        self.handlers = {
            "": self.on_start,
            "discoverer": self.after_exploring,
            "descender": self.after_stairs,
            "ascender": self.after_stairs,
        }
        self.place = (0, 0)
        self.failed = 0

    def on_start(self, facts, startable):
        self.place = (facts.branch, facts.branch_level)
        return "discoverer"

    def after_exploring(self, facts, startable):
        return "descender" if facts.depth <= 3 else "ascender"

    def after_stairs(self, facts, startable):
        place = (facts.branch, facts.branch_level)
        if place == self.place:
            self.failed += 1
            return "discoverer" if self.failed % 2 else "descender"
        self.place, self.failed = place, 0
        return "discoverer"

    def fallback(self, facts, startable):
        names = [name for name in self.handlers if name]
        return names[facts.steps % len(names)]

    def next_skill(self, facts, finished, startable):
        handler = self.handlers.get(finished, self.fallback)
        wish = handler(facts, startable)
        return wish if wish in startable else startable[0]
