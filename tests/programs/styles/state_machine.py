class State:
    EXPLORE = "explore"
    DESCEND = "descend"
    CLIMB = "climb"
    TRADE = "trade"


TRANSITIONS = {
    State.EXPLORE: State.DESCEND,
    State.DESCEND: State.CLIMB,
    State.CLIMB: State.TRADE,
    State.TRADE: State.EXPLORE,
}
SKILL_OF = {
    State.EXPLORE: "discoverer",
    State.DESCEND: "descender",
    State.CLIMB: "ascender",
    State.TRADE: "merchant",
}


class PolicyOverSkills:
    def __init__(self):
        self.state = State.EXPLORE
        self.entered = 0

    def observe(self, facts):
        if facts.steps - self.entered > 40:
            self.state = TRANSITIONS[self.state]
            self.entered = facts.steps

    def next_skill(self, facts, finished, startable):
        tried = 0
        state = self.state
        while SKILL_OF[state] not in startable and tried < len(TRANSITIONS):
            state = TRANSITIONS[state]
            tried += 1
        skill = SKILL_OF[state]
        return skill if skill in startable else startable[0]

    def interrupt(self, facts, skill):
        return skill != SKILL_OF[self.state] and facts.steps == self.entered
