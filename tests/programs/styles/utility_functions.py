import math
import random


def normalize(scores):
    total = sum(scores.values())
    return {key: value / total for key, value in scores.items()} if total > 0 else scores


def softmax(scores, temperature=1.0):
    top = max(scores.values())
    weights = {key: math.exp((value - top) / temperature) for key, value in scores.items()}
    return normalize(weights)


def sample(weights):
    threshold, running = random.random(), 0.0
    for key, weight in weights.items():
        running += weight
        if threshold <= running:
            return key
    return list(weights)[-1]


class PolicyOverSkills:
    def scores(self, facts, startable):
        base = {
            "discoverer": 1.0 if facts.unexplored_reachable else -1.0,
            "descender": 0.5 + 0.5 * facts.stairs_down_known,
            "ascender": -0.5 + (facts.depth - 2) * 0.4,
            "merchant": 2.0 * min(1, facts.new_items),
            "worshipper": 1.5 * (facts.unknown_buc_items > 0),
        }
        return {skill: base.get(skill, 0.0) for skill in startable}

    def next_skill(self, facts, finished, startable):
        weights = softmax(self.scores(facts, startable), temperature=0.7)
        if finished in weights and len(weights) > 1:
            weights[finished] *= 0.25
            weights = normalize(weights)
        return sample(weights)

    def interrupt(self, facts, skill):
        return round(facts.hp / facts.max_hp, 1) == 0.3 and random.random() > 0.5
