"""Three tasks for NetHack that stand in no file of the package, each with an answer as a coder might give it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TASKS"]

_ROUND_TRIP = """\
The trip has two halves. Memory: whether the third level was reached. Only levels of the main branch count, so if the way down led into
the Mines, go back up first. On the way up the first level ends it, and the ascender must not be called there.

```python
class PolicyOverSkills:
    def __init__(self):
        self.been_there = False
        self.back = False

    def observe(self, facts):
        if facts.branch == "main" and facts.depth == 3:
            self.been_there = True
        if self.been_there and facts.depth == 1:
            self.back = True

    def next_skill(self, facts, finished, startable):
        if self.been_there:
            wish = "ascender" if facts.depth > 1 else "discoverer"
        elif facts.branch != "main":
            wish = "ascender"
        else:
            wish = "descender"
        if wish in startable:
            return wish
        return "discoverer" if "discoverer" in startable else startable[0]

    def is_done(self, facts):
        return self.back
```
"""

_GOLD_THEN_MINES = """\
First the gold: explore each level until nothing is left to explore, then take the stairs down and explore there. With forty pieces,
look for the second staircase down on levels 2 to 4. What counts is that the gold was there before the Mines.

```python
GOLD = 40

class PolicyOverSkills:
    def __init__(self):
        self.rich = False
        self.found = False
        self.tries = 0

    def observe(self, facts):
        if facts.gold >= GOLD:
            self.rich = True
        if self.rich and facts.branch == "mines":
            self.found = True

    def is_done(self, facts):
        return self.found

    def next_skill(self, facts, finished, startable):
        def first(*wishes):
            for wish in wishes:
                if wish in startable:
                    return wish
            return startable[0]

        if not self.rich:
            if facts.unexplored_reachable and facts.steps_here < 600:
                return first("discoverer", "descender")
            return first("descender", "discoverer")
        if facts.depth > 4:
            return first("ascender", "discoverer")
        if facts.depth > 1 and facts.stairs_down_count < 2 and facts.unexplored_reachable and self.tries < 12:
            self.tries += 1
            return first("discoverer", "descender")
        self.tries = 0
        return first("descender", "discoverer")
```
"""

_WATCH_THE_STAIRS = """\
Nothing rests by itself, so "stay near the stairs" means: fight what comes on the first level, and go back to the upper level as soon as
a fall or a call led deeper. Five monsters killed and no level below the second ever seen make it good.

```python
class PolicyOverSkills:
    def __init__(self):
        self.spoilt = False

    def observe(self, facts):
        if facts.max_depth > 2:
            self.spoilt = True

    def interrupt(self, facts, skill):
        return skill == "descender" and facts.depth == 2

    def next_skill(self, facts, finished, startable):
        order = ["discoverer", "descender"] if facts.depth == 1 else ["discoverer", "ascender"]
        if facts.depth == 2 and not facts.unexplored_reachable and not facts.hostiles_near:
            order.reverse()
        for wish in order:
            if wish in startable:
                return wish
        return startable[0]

    def is_done(self, facts):
        return facts.kills >= 5 and facts.hp * 2 >= facts.max_hp and not self.spoilt
```
"""

TASKS: Mapping[str, str] = {
    "Go down to the third level and come back to the first.": _ROUND_TRIP,
    "Collect forty pieces of gold and then find the Gnomish Mines.": _GOLD_THEN_MINES,
    "Kill five monsters on the first two levels, never go deeper, and end with at least half of your health.": _WATCH_THE_STAIRS,
}
