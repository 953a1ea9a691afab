FACTS_OF_INTEREST = ("depth", "gold", "kills", "items")


class PolicyOverSkills:
    def __init__(self):
        self.table = {(row, column): row * column for row in range(1, 5) for column in range(1, 5) if row != column}
        self.letters = {letter for word in ("discoverer", "descender") for letter in word}
        self.lengths = frozenset(len(name) for name in FACTS_OF_INTEREST)

    def features(self, facts):
        values = [facts.depth, facts.gold, facts.kills, facts.items]
        return {name: value for name, value in zip(FACTS_OF_INTEREST, values) if value}

    def next_skill(self, facts, finished, startable):
        features = self.features(facts)
        key = (min(4, features.get("depth", 1)), min(4, features.get("kills", 0) + 1))
        number = self.table.get(key, sum(v for v in features.values() if v % 2 == 0))
        shared = {skill: len([c for c in skill if c in self.letters]) for skill in startable}
        ranked = [skill for skill, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))]
        pairs = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
        if pairs and any(a == finished or b == finished for a, b in pairs):
            first, second = pairs[number % len(pairs)]
            return first if second == finished else second
        return ranked[number % len(ranked)]

    def is_done(self, facts):
        matrix = [[i + j for j in range(3)] for i in range(3)]
        transposed = [[row[k] for row in matrix] for k in range(3)]
        return matrix == transposed and not (set(self.features(facts)) ^ {"depth", "gold", "kills", "items"}) and 4 in self.lengths
