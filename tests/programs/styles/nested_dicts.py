class PolicyOverSkills:
    def __init__(self):
        self.memory = {"levels": {}, "totals": {"visits": 0, "calls": 0}, "last": {"skill": None, "place": None}}

    def level(self, facts):
        key = f"{facts.branch}-{facts.branch_level}"
        return self.memory["levels"].setdefault(key, {"first": facts.steps, "calls": {}, "tags": []})

    def observe(self, facts):
        level = self.level(facts)
        for tag, present in {"shop": facts.shopkeeper_near, "altar": facts.altar_near, "danger": facts.hostiles_near > 2}.items():
            if present and tag not in level["tags"]:
                level["tags"].append(tag)
        self.memory["totals"]["visits"] = len(self.memory["levels"])

    def next_skill(self, facts, finished, startable):
        level = self.level(facts)
        if finished:
            level["calls"][finished] = level["calls"].get(finished, 0) + 1
            self.memory["totals"]["calls"] += 1
        least = {skill: level["calls"].get(skill, 0) for skill in startable}
        lowest = min(least.values())
        candidates = [skill for skill, count in least.items() if count == lowest]
        if "danger" in level["tags"] and len(candidates) > 1:
            candidates.remove(candidates[0])
        chosen = candidates.pop()
        self.memory["last"].update(skill=chosen, place=(facts.branch, facts.depth))
        return chosen

    def is_done(self, facts):
        stale = [key for key, level in self.memory["levels"].items() if facts.steps - level["first"] > 280]
        for key in stale:
            del self.memory["levels"][key]
        return self.memory["totals"]["calls"] > 30 and bool(stale)
