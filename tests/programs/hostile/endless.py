# ruff: noqa: E501 - a program a line is easier to read than a folded one
"""Programs that do not end by themselves, or not in this life; some of them in a single operation, which no fuel can see."""

from __future__ import annotations

_NESTED = "    a, b = [1], [1]\n    for i in range(60):\n        a, b = [a, a], [b, b]\n"
_TUPLES = "    t = (1,)\n    for i in range(60):\n        t = (t, t)\n"

# In one operation of compiled code: these pass the filter, and only the end of their process stops them.
IN_ONE_OPERATION = {
    "comparison": f"def probe(facts):\n{_NESTED}    return a == b",
    "inequality": f"def probe(facts):\n{_NESTED}    return a != b",
    "order": f"def probe(facts):\n{_NESTED}    return a <= b",
    "membership": f"def probe(facts):\n{_NESTED}    return a in [b]",
    "count": f"def probe(facts):\n{_NESTED}    return [b].count(a) == 1",
    "index": f"def probe(facts):\n{_NESTED}    return [b].index(a) == 0",
    "removal": f"def probe(facts):\n{_NESTED}    return [b].remove(a) is None",
    "largest": f"def probe(facts):\n{_NESTED}    return max([a, b]) == 1",
    "sorting": f"def probe(facts):\n{_NESTED}    return sorted([a, b]) == 1",
    "sorting in place": f"def probe(facts):\n{_NESTED}    return [a, b].sort() is None",
    "pattern": f"def probe(facts):\n{_NESTED}    match {{'k': a}}:\n        case {{'k': k}} if k == b:\n            return True",
    "hash": f"def probe(facts):\n{_TUPLES}    return len({{t}}) == 1",
    "key": f"def probe(facts):\n{_TUPLES}    return {{}}.get(t) is None",
    "member of a set": f"def probe(facts):\n{_TUPLES}    return t not in set()",
    "equal dictionaries": f"def probe(facts):\n{_NESTED}    return {{1: a}} == {{1: b}}",
    "equal queues": f"from collections import deque\ndef probe(facts):\n{_NESTED}    return deque([a]) == deque([b])",
    "search from the right": "def probe(facts):\n    s, t = 'a' * 99000, 'b' + 'a' * 49000\n    return [s.rfind(t) for i in range(60000)] == []",
    "colliding keys": "def probe(facts):\n    m = 2 ** 61 - 1\n    k = [i * m for i in range(18000)]\n    return [len(set(k)) for i in range(50)] != []",
}

# Without end or beyond all bounds; the filter or fuel stops them in the sandbox.
WITHOUT_END = {
    "while": "def probe(facts):\n    while True:\n        pass",
    "while in finally": "def probe(facts):\n    while True:\n        try:\n            while True:\n                pass\n        finally:\n            continue",
    "recursion without depth": "def f():\n    try:\n        f()\n    except RuntimeError:\n        f()\n    f()\ndef probe(facts):\n    f()",
    "list that is fed from itself": "def probe(facts):\n    s = [1]\n    s.extend(iter(s))\n    return len(s) > 1000000",
    "list that is fed from itself, in place": "def probe(facts):\n    s = [1]\n    s += iter(s)\n    return len(s) > 1000000",
    "list that is fed from itself, behind a call": "s = [[1]]\ndef g():\n    return s\ndef probe(facts):\n    g()[0] += iter(s[0])\n    return len(s) > 1000000",
    "list that is fed from itself, by its type": "def probe(facts):\n    s = [1]\n    isinstance(1, (y := list))\n    y.extend(s, iter(s))\n    return True",
    "list that grows in a loop over it": "def probe(facts):\n    s = [1]\n    for x in s:\n        s.append(x)",
    "list that grows in a comprehension over it": "def probe(facts):\n    s = [1]\n    return [s.append(x) for x in s]",
    "list that grows in a generator over it": "def probe(facts):\n    s = [1]\n    return list(s.append(x) for x in s)",
    "list that grows in a map over it": "def probe(facts):\n    s = [1]\n    return list(map(s.append, s))",
    "list that grows in a filter over it": "def probe(facts):\n    s = [1]\n    return list(filter(s.append, s))",
    "list that grows in a filter over its iterator": "def probe(facts):\n    s = [1]\n    return list(filter(s.append, iter(s)))",
    "list that grows while the largest is looked for": "def probe(facts):\n    s = [1]\n    def key(x):\n        s.append(1)\n        return 0\n    return max(s, key=key)",
    "list that grows by its own method while the least is looked for": "def probe(facts):\n    s = [None]\n    return min(s, key=lambda x: s.append(None) or 0)",
    "list that grows by its own method as a key": "def probe(facts):\n    s = [[]]\n    s.append(s)\n    return max([1], key=s.append) or max(s, key=lambda x: s.append(x) or 1)",
    "list that grows in the compiled key of another": "from collections import defaultdict\ndef probe(facts):\n    s = [1]\n    m = max\n    return m(s, key=lambda x: s.append(x) or 1)",
    "list that grows while it is sorted": "def probe(facts):\n    s = [1]\n    return [sorted([1], key=lambda x: [s.append(y) for y in s])]",
    "iterator with a sentinel": "def probe(facts):\n    return len(list(iter(int, 1)))",
    "endless repetition": "from itertools import repeat\ndef probe(facts):\n    return sum(repeat(1))",
    "endless cycle": "from itertools import cycle\ndef probe(facts):\n    return all(cycle([1]))",
    "huge text": "def probe(facts):\n    return len('a' * 10 ** 11)",
    "huge list": "def probe(facts):\n    return len([0] * 10 ** 11)",
    "huge range made a list": "def probe(facts):\n    return len(list(range(10 ** 11)))",
    "huge number": "def probe(facts):\n    return 10 ** 10 ** 9 > 1",
    "huge shift": "def probe(facts):\n    n = 10 ** 12\n    return 1 << n > 1",
    "huge power by name": "def probe(facts):\n    return pow(3, 10 ** 9) > 1",
    "huge power in place": "def probe(facts):\n    n = 3\n    for i in range(9):\n        n **= 64\n    return n > 1",
    "huge factorial": "import math\ndef probe(facts):\n    return math.factorial(10 ** 8) > 1",
    "huge loop": "def probe(facts):\n    for i in range(10 ** 12):\n        pass",
    "huge sum": "def probe(facts):\n    return sum(range(10 ** 12))",
    "huge largest": "def probe(facts):\n    return max(range(10 ** 12))",
    "quadratic sum of lists": "def probe(facts):\n    return len(sum([[0]] * 10 ** 7, []))",
    "product of loops": "def probe(facts):\n    return sum(1 for a in range(9999) for b in range(9999) for c in range(9999))",
    "exponential recursion": "def f(n):\n    return 1 if n < 2 else f(n - 1) + f(n - 2)\ndef probe(facts):\n    return f(90) > 0",
    "exponential text": "def probe(facts):\n    a = [1]\n    for i in range(60):\n        a = [a, a]\n    return len(str(a))",
    "exponential text in an f-string": "def probe(facts):\n    a = [1]\n    for i in range(60):\n        a = [a, a]\n    return len(f'{a}')",
    "exponential text of an error": "def probe(facts):\n    a = [1]\n    for i in range(60):\n        a = [a, a]\n    return len(str(ValueError(a)))",
    "exponential text in whoever reports the error": "def probe(facts):\n    a = [1]\n    for i in range(60):\n        a = [a, a]\n    try:\n        raise ValueError(a)\n    except ValueError as e:\n        return len(repr(e))",
    "exponential key that is missing": "def probe(facts):\n    a = frozenset([1])\n    for i in range(60):\n        a = frozenset([a, frozenset([a, i])])\n    try:\n        return {}[a]\n    except KeyError as e:\n        return len(repr(e))",
    "catastrophic pattern": "import re\ndef probe(facts):\n    return re.match('(a+)+b', 'a' * 60)",
    "catastrophic comparison of texts": "import difflib\ndef probe(facts):\n    return difflib.SequenceMatcher(None, 'ab' * 40000, 'ba' * 40000).ratio()",
    "long digits": "import sys\ndef probe(facts):\n    sys.set_int_max_str_digits(0)\n    return len(str(7 ** 10 ** 7))",
    "sleep": "import time\ndef probe(facts):\n    while True:\n        time.time()",
    "lock": "import threading\ndef probe(facts):\n    lock = threading.Lock()\n    while lock.acquire(blocking=False) or True:\n        pass",
    "property that calls itself": "class C:\n    @property\n    def x(self):\n        while True:\n            pass\ndef probe(facts):\n    return C().x",
    "sort that never ends": "def probe(facts):\n    def key(x):\n        while True:\n            pass\n    return sorted([2, 1], key=key)",
    "default that never ends": "from collections import defaultdict\ndef make():\n    while True:\n        pass\ndef probe(facts):\n    return defaultdict(make)[1]",
    "memory over time": "def probe(facts):\n    s = []\n    while True:\n        s.append([0] * 90000)",
    "texts over time": "def probe(facts):\n    s = []\n    a = 'a' * 90000\n    while True:\n        s.append(a.title())",
    "sets over time": "def probe(facts):\n    s = []\n    a = set(range(90000))\n    while True:\n        s.append(a - {1})",
    "parts over time": "def probe(facts):\n    s = []\n    a = 'a' * 90000\n    while True:\n        s.append(a.partition('b')[0] + 'c')",
}

ENDLESS = {**IN_ONE_OPERATION, **WITHOUT_END}
