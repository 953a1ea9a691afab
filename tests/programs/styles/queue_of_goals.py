from collections import deque


class Goal:
    def __init__(self, skill, until, label=""):
        self.skill = skill
        self.until = until
        self.label = label or skill

    def reached(self, facts):
        return self.until(facts)


class PolicyOverSkills:
    def __init__(self):
        self.goals = deque(
            [
                Goal("discoverer", lambda facts: facts.stairs_down_known, "find the stairs"),
                Goal("descender", lambda facts: facts.depth >= 2),
                Goal("discoverer", lambda facts: facts.squares_seen_here > 150),
                Goal("descender", lambda facts: facts.depth >= 3),
            ]
        )
        self.done = deque()

    def observe(self, facts):
        while self.goals and self.goals[0].reached(facts):
            self.done.appendleft(self.goals.popleft().label)
        if not self.goals and len(self.done) > 3:
            self.goals.append(Goal("ascender", lambda facts: facts.depth == 1))
            self.goals.extend([Goal("discoverer", lambda facts: False)])
            self.done.rotate(1)

    def next_skill(self, facts, finished, startable):
        for goal in self.goals:
            if goal.skill in startable:
                return goal.skill
        return startable[0]

    def is_done(self, facts):
        return "descender" in self.done and len(self.done) == 5
