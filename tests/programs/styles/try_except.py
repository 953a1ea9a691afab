class NoPlan(Exception):
    pass


class Unwilling(ValueError):
    def __init__(self, reason):
        self.reason = reason


class PolicyOverSkills:
    def __init__(self):
        self.plan = ["discoverer", "descender", "descender", "ascender"]
        self.log = {}
        self.errors = 0

    def pop_plan(self, startable):
        try:
            skill = self.plan.pop(0)
        except IndexError:
            raise NoPlan("nothing left")
        if skill not in startable:
            raise Unwilling(skill)
        return skill

    def next_skill(self, facts, finished, startable):
        try:
            chosen = self.pop_plan(startable)
        except NoPlan:
            self.plan = ["descender", "discoverer"] * 2
            chosen = startable[0]
        except (Unwilling, KeyError) as error:
            self.errors += 1
            chosen = startable[self.errors % len(startable)]
            self.log[error.reason] = self.log.get(error.reason, 0) + 1
        else:
            self.errors = 0
        finally:
            self.log["asked"] = self.log.get("asked", 0) + 1
        try:
            ratio = facts.kills / facts.meals
        except ZeroDivisionError:
            ratio = 0.0
        assert ratio >= 0, "kills are counted"
        return chosen

    def is_done(self, facts):
        try:
            return self.log["asked"] > 12
        except KeyError as missing:
            return str(missing) == "nothing"
