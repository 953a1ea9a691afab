class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        if facts.hp < facts.max_hp // 3 and "ascender" in startable and facts.depth > 1:
            return "ascender"
        if facts.shopkeeper_near and facts.new_items > 0 and "merchant" in startable:
            return "merchant"
        if facts.altar_near and facts.unknown_buc_items > 0 and "worshipper" in startable:
            return "worshipper"
        if facts.unexplored_reachable and facts.squares_seen_here < 300 and "discoverer" in startable:
            return "discoverer"
        if "descender" in startable:
            return "descender"
        return startable[0]

    def is_done(self, facts):
        return facts.max_depth >= 4
