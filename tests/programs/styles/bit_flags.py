SEEN_SHOP = 1
SEEN_ALTAR = 1 << 1
SEEN_DOWN = 1 << 2
SEEN_UP = 1 << 3
ALL = SEEN_SHOP | SEEN_ALTAR | SEEN_DOWN | SEEN_UP


def popcount(n):
    count = 0
    while n:
        n &= n - 1
        count += 1
    return count


class PolicyOverSkills:
    def __init__(self):
        self.flags = 0
        self.seed = 12345

    def observe(self, facts):
        self.flags |= SEEN_SHOP if facts.shopkeeper_near else 0
        self.flags |= SEEN_ALTAR * facts.altar_near
        self.flags |= int(facts.stairs_down_known) << 2
        if facts.stairs_up_known:
            self.flags ^= self.flags & SEEN_UP ^ SEEN_UP
        self.seed = (self.seed * 1103515245 + 12345 + facts.turn) % 2**31

    def next_skill(self, facts, finished, startable):
        missing = ALL & ~self.flags
        if missing and "discoverer" in startable and self.seed >> 16 & 1:
            return "discoverer"
        return startable[(self.seed >> 8) % len(startable)]

    def is_done(self, facts):
        return popcount(self.flags) >= 3 and self.flags.bit_length() <= 4
