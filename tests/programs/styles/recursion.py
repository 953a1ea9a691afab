GRAPH = {
    "start": ["explore", "go_down"],
    "explore": ["discoverer"],
    "go_down": ["descender", "go_up"],
    "go_up": ["ascender"],
}


def leaves(node, depth=0):
    if node not in GRAPH:
        return [(depth, node)]
    found = []
    for child in GRAPH[node]:
        found += leaves(child, depth + 1)
    return found


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def flatten(items):
    if isinstance(items, (list, tuple)):
        return [part for item in items for part in flatten(item)]
    return [items]


def gcd(a, b):
    return a if b == 0 else gcd(b, a % b)


class PolicyOverSkills:
    def next_skill(self, facts, finished, startable):
        ordered = [name for _, name in sorted(leaves("start"))]
        nested = flatten([ordered, [["merchant"], "worshipper"]])
        turn = (fibonacci(facts.depth % 8) + gcd(facts.turn, 12)) % len(nested)
        for name in nested[turn:] + nested[:turn]:
            if name in startable:
                return name
        return startable[0]
