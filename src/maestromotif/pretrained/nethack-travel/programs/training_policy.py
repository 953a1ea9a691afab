import random

KNOWN = ("discoverer", "descender", "ascender", "merchant", "worshipper")
DEEPEST = 6


class PolicyOverSkills:
    def __init__(self):
        self.goal = random.randint(2, 5)
        self.wants_mines = random.random() < 0.5
        self.climbing = False
        self.leaving = False
        self.place = ("main", 1)
        self.failures = 0
        self.explored = {}
        self.trades = {}

    def trade(self, facts):
        place = (facts.branch, facts.branch_level)
        if facts.shopkeeper_near and facts.new_items > 0 and self.trades.get(("merchant", place), 0) < 4:
            return "merchant"
        if facts.altar_near and facts.unknown_buc_items > 0 and self.trades.get(("worshipper", place), 0) < 4:
            return "worshipper"
        return ""

    def interrupt(self, facts, skill):
        if not facts.shopkeeper_near and not facts.altar_near:
            return False
        return skill in ("discoverer", "descender", "ascender") and self.trade(facts) != ""

    def next_skill(self, facts, finished, startable):
        place = (facts.branch, facts.branch_level)
        arrived = place != self.place
        if arrived:
            self.place = place
            self.failures = 0
        elif finished in ("descender", "ascender"):
            self.failures += 1
        trade = self.trade(facts)
        if trade:
            self.trades[(trade, place)] = self.trades.get((trade, place), 0) + 1
            if trade in startable:
                return trade
        others = [skill for skill in startable if skill not in KNOWN]
        if others and random.random() < len(others) / (len(others) + 5):
            return random.choice(others)
        wish = self.journey(facts, place, arrived)
        if wish in startable:
            return wish
        for skill in ("descender", "discoverer"):
            if skill in startable:
                return skill
        safe = [skill for skill in startable if skill != "ascender" or facts.depth > 1]
        return random.choice(safe) if safe else startable[0]

    def journey(self, facts, place, arrived):
        if self.should_explore(facts, place, arrived):
            self.explored[place] = self.explored.get(place, 0) + 1
            return "discoverer"
        if facts.branch == "sokoban":
            return "descender"
        if facts.depth == 1:
            if self.climbing:
                if arrived:
                    self.leaving = random.random() < 0.3
                if self.leaving and self.failures < 2:
                    return "ascender"
                self.climbing = False
                self.goal = random.randint(2, 5)
        elif facts.depth >= self.goal or (facts.branch == "mines" and not self.wants_mines):
            self.climbing = True
        if self.failures >= 2:
            self.failures = 0
            if facts.depth == 1:
                return "discoverer" if random.random() < 0.4 else "descender"
            if self.climbing and facts.depth < DEEPEST:
                return "descender"
            return "discoverer"
        return "ascender" if self.climbing else "descender"

    def should_explore(self, facts, place, arrived):
        calls = self.explored.get(place, 0)
        if calls == 0:
            self.explored[place] = 1
            return random.random() < 0.5
        if arrived and random.random() < 0.25:
            return True
        looking = self.wants_mines and facts.branch == "main" and 2 <= facts.depth <= 4 and facts.stairs_down_count < 2
        return looking and calls < 3 and not self.climbing
