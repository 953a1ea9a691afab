import random

WEIGHTS = {"discoverer": 3.0, "descender": 2.0, "ascender": 0.5, "merchant": 4.0, "worshipper": 4.0}


class PolicyOverSkills:
    def __init__(self):
        self.temperature = random.uniform(0.5, 1.5)
        self.bonus = {name: random.random() for name in sorted(WEIGHTS)}
        self.patience = random.randint(30, 60)

    def next_skill(self, facts, finished, startable):
        weights = [(WEIGHTS.get(skill, 1.0) + self.bonus.get(skill, 0.0)) ** (1 / self.temperature) for skill in startable]
        if finished in startable:
            weights[startable.index(finished)] *= 0.5
        chosen = random.choices(startable, weights=weights, k=1)[0]
        if random.random() < 0.05:
            order = list(startable)
            random.shuffle(order)
            chosen = order[0]
        return chosen

    def interrupt(self, facts, skill):
        return facts.steps_here % self.patience == 0 and random.random() < 0.3
