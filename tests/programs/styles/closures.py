def at_least(name_of_fact, limit):
    readers = {
        "depth": lambda facts: facts.depth,
        "gold": lambda facts: facts.gold,
        "kills": lambda facts: facts.kills,
    }
    read = readers[name_of_fact]

    def test(facts):
        return read(facts) >= limit

    return test


def both(first, second):
    return lambda facts: first(facts) and second(facts)


def counter():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    return step


RICH_AND_DEEP = both(at_least("gold", 50), at_least("depth", 2))


class PolicyOverSkills:
    def __init__(self):
        self.tick = counter()
        self.choices = counter()
        self.strong = at_least("kills", 3)

    def observe(self, facts):
        self.tick()

    def next_skill(self, facts, finished, startable):
        number = self.choices()
        if RICH_AND_DEEP(facts) and "ascender" in startable:
            return "ascender"
        if self.strong(facts) and "descender" in startable:
            return "descender"
        return startable[number % len(startable)]

    def is_done(self, facts):
        return self.tick() > 400 and RICH_AND_DEEP(facts)
