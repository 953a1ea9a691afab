import math
from math import floor, sqrt


def sigmoid(x):
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, x))))


class PolicyOverSkills:
    def __init__(self):
        self.values = {}
        self.counts = {}
        self.total = 0

    def ucb(self, skill):
        n = self.counts.get(skill, 0)
        if n == 0:
            return math.inf
        return self.values[skill] / n + sqrt(2 * math.log(self.total) / n)

    def next_skill(self, facts, finished, startable):
        if finished:
            reward = sigmoid(facts.kills_here - 2) + math.log10(1 + facts.gold) - math.hypot(facts.depth - 3, 1) / 10
            self.values[finished] = self.values.get(finished, 0.0) + reward
            self.counts[finished] = self.counts.get(finished, 0) + 1
            self.total += 1
        return max(startable, key=self.ucb)

    def interrupt(self, facts, skill):
        angle = math.pi * facts.steps / 50
        return math.isclose(abs(math.sin(angle)), 1.0, abs_tol=1e-6) and floor(angle) % 2 == 1

    def is_done(self, facts):
        return math.ceil(facts.turn / 100) >= 3 and facts.depth ** 2 > math.trunc(math.e * 3)
