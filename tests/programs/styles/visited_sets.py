class PolicyOverSkills:
    def __init__(self):
        self.visited = set()
        self.explored = set()
        self.shops = set()
        self.altars = set()

    def observe(self, facts):
        here = (facts.branch, facts.branch_level)
        self.visited.add(here)
        if not facts.unexplored_reachable:
            self.explored.add(here)
        if facts.shopkeeper_near:
            self.shops.add(here)
        if facts.altar_near:
            self.altars |= {here}

    def next_skill(self, facts, finished, startable):
        here = (facts.branch, facts.branch_level)
        options = set(startable)
        if here in self.shops & self.altars:
            options -= {"discoverer"}
        if here in self.explored:
            options.discard("discoverer")
        if here not in self.shops:
            options.difference_update(["merchant"])
        if not options:
            options = set(startable)
        pending = self.visited - self.explored
        if len(pending) > 2 and "discoverer" in options:
            return "discoverer"
        return sorted(options)[len(self.visited) % len(options)]

    def is_done(self, facts):
        return len(self.visited) >= 4 and self.shops.issubset(self.visited) and not self.altars.isdisjoint(self.visited)
