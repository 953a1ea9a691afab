class Behaviour:
    name = "none"
    weight = 1

    def wanted(self, facts):
        return False

    def score(self, facts):
        return self.weight if self.wanted(facts) else 0


class Explore(Behaviour):
    name = "discoverer"
    weight = 2

    def wanted(self, facts):
        return facts.unexplored_reachable


class Descend(Behaviour):
    name = "descender"
    weight = 3

    def wanted(self, facts):
        return facts.stairs_down_known and facts.hp * 2 > facts.max_hp


class Sell(Behaviour):
    name = "merchant"
    weight = 10

    def wanted(self, facts):
        return facts.shopkeeper_near and facts.new_items > 0


class Pray(Sell):
    name = "worshipper"

    def wanted(self, facts):
        return facts.altar_near and not Behaviour.wanted(self, facts)


class PolicyOverSkills(object):
    behaviours = [Explore(), Descend(), Sell(), Pray()]

    def next_skill(self, facts, finished, startable):
        best_name, best_score = startable[0], -1
        for behaviour in self.behaviours:
            score = behaviour.score(facts)
            if behaviour.name in startable and score > best_score:
                best_name, best_score = behaviour.name, score
        return best_name

    def interrupt(self, facts, skill):
        selling = isinstance(self.behaviours[2], Sell) and self.behaviours[2].wanted(facts)
        return selling and skill not in ("merchant", "worshipper")
