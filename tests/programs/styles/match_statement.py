class PolicyOverSkills:
    """Chooses by structural pattern matching on a summary of the situation."""

    def situation(self, facts):
        if facts.hunger in ("weak", "fainting"):
            return ("hungry", facts.food_items)
        if facts.shopkeeper_near:
            return ("shop", facts.new_items, facts.gold)
        return {"branch": facts.branch, "level": facts.branch_level, "down": facts.stairs_down_known}

    def next_skill(self, facts, finished, startable):
        match self.situation(facts):
            case ("hungry", 0):
                wish = "ascender"
            case ("hungry", _):
                wish = "discoverer"
            case ("shop", items, gold) if items > 0 and gold < 500:
                wish = "merchant"
            case ("shop", *rest):
                wish = "discoverer" if sum(rest) % 2 else "descender"
            case {"branch": "mines" | "sokoban"}:
                wish = "ascender"
            case {"branch": "main", "down": True, **other}:
                wish = "descender" if len(other) == 1 else "discoverer"
            case {"level": 1 | 2}:
                wish = "discoverer"
            case _:
                wish = "descender"
        match startable:
            case [only]:
                return only
            case [first, *_] if wish not in startable:
                return first
            case _:
                return wish
