PRIORITIES = [
    ("merchant", lambda f: f.shopkeeper_near and f.new_items > 0),
    ("worshipper", lambda f: f.altar_near and f.unknown_buc_items > 0),
    ("discoverer", lambda f: f.unexplored_reachable and f.steps_here < 200),
    ("descender", lambda f: f.stairs_down_known or f.depth < 3),
    ("ascender", lambda f: f.depth > 1),
]


class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        for name, wanted in PRIORITIES:
            if name in startable and wanted(facts):
                return name
        else:
            return startable[-1]

    def interrupt(self, facts, skill):
        better = [name for name, wanted in PRIORITIES[:2] if wanted(facts)]
        return bool(better) and skill not in better
