import random as r
from collections import Counter as C
D, U, X = "descender", "ascender", "discoverer"
pick = lambda xs, ok: next(iter([x for x in xs if x in ok]), ok[0])
class PolicyOverSkills:
    def __init__(s): s.c = C(); s.g = r.choice([2, 3, 4]); s.up = 0
    def observe(s, f):
        s.up = 1 if f.depth >= s.g else 0 if f.depth == 1 else s.up
    def next_skill(s, f, fin, ok):
        s.c.update([fin] if fin else [])
        if s.c[fin] and s.c[fin] % 3 == 0: return pick([X], ok)
        return pick([(D, U)[s.up], X], ok)
    def interrupt(s, f, k): return k == X and f.steps_here > 90 and s.c[k] < 3
