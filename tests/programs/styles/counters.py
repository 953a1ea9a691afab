from collections import Counter, defaultdict, deque

RECENT = 8


class PolicyOverSkills:
    def __init__(self):
        self.calls = Counter()
        self.by_level = defaultdict(lambda: defaultdict(int))
        self.recent = deque(maxlen=RECENT)
        self.gold = defaultdict(list)

    def observe(self, facts):
        if facts.gold:
            self.gold[facts.depth].append(facts.gold)
            if len(self.gold[facts.depth]) > 5:
                self.gold[facts.depth].pop(0)

    def next_skill(self, facts, finished, startable):
        if finished:
            self.calls[finished] += 1
            self.by_level[facts.depth][finished] += 1
            self.recent.append(finished)
        often = [skill for skill, _ in self.calls.most_common(2)]
        rare = [skill for skill in startable if skill not in often]
        here = self.by_level[facts.depth]
        pool = rare or startable
        best = min(pool, key=lambda skill: (here[skill], self.recent.count(skill), skill))
        return best

    def is_done(self, facts):
        return sum(self.calls.values()) > 20 and len(self.gold) > 1
