import random


def simulate(depth, plan):
    cost = 0
    for move in plan:
        depth = max(1, depth + (1 if move == "D" else -1))
        cost += 3 if depth > 4 else 1
    return cost - 2 * depth


class PolicyOverSkills:
    def __init__(self):
        self.cache = {}

    def best_plan(self, depth, length=3):
        key = depth, length
        if key not in self.cache:
            plans = [""]
            for _ in range(length):
                plans = [plan + move for plan in plans for move in "DU"]
            self.cache[key] = min(plans, key=lambda plan: (simulate(depth, plan), plan))
        return self.cache[key]

    def next_skill(self, facts, finished, startable):
        plan = self.best_plan(min(facts.depth, 10))
        if random.randrange(5) == 0 and "discoverer" in startable:
            return "discoverer"
        wish = {"D": "descender", "U": "ascender"}[plan[0]]
        return wish if wish in startable else random.choice(startable)
