# ruff: noqa: E501 - a program a line is easier to read than a folded one; letters that only look like others are the point
"""Written with the filter's source at hand: rewriting that could be dodged, names that could be spelled, guards that could be passed by."""

from __future__ import annotations

_GROW = "    return len(s) > 1000000"

FILTER = {
    # Identifiers are normalised before anybody looks.
    "wide letters": "def probe(facts):\n    return ｅｖａｌ('1 + 1') == 2",
    "wide underscores": "def probe(facts):\n    return ().__ｃlass__ is tuple",
    "mathematical letters": "def probe(facts):\n    return 𝓰𝓮𝓽𝓪𝓽𝓽𝓻((), '__class__') is tuple",
    "ligature": "def probe(facts):\n    return (x for x in [1]).gi_ｆrame is not None",
    "wide keyword argument": "def probe(facts):\n    return dict(__ｄoc__=1)['__doc__'] == 1",
    # Class bodies.
    "class variable that names a guard": "type_str = str\nclass C:\n    pass\nclass D:\n    got = type_str\n    type_str = 1\ndef probe(facts):\n    return '0x' in D.got(C())",
    "class variable in a lambda": "type_str = str\nclass C:\n    type_str = 1\n    f = lambda self: type_str\ndef probe(facts):\n    return '0x' in C().f()(C())",
    "class variable that names the meter": "tick = len\nclass C:\n    tick = 1\n    f = lambda self: tick\ndef probe(facts):\n    return C().f()([1]) == 1 and len([i for j in range(600) for i in range(600)]) > 0",
    "walrus in a class body": "class C:\n    x = (format := '{0._hidden}')\ndef probe(facts):\n    return C.format.format(facts) == 'secret'",
    "default argument in a class": "class C:\n    def f(self, x=(mro := 5)):\n        return x\ndef probe(facts):\n    return C.mro == 5",
    "class under a name that is bound again": "class X:\n    pass\nX = int\nclass Y(X):\n    def bit_length(self):\n        return -(10 ** 9)\ndef probe(facts):\n    return (1 + (Y(1) << 4000)) > 1 and Y(5) == 5",
    "class under the name of an argument": "class X:\n    pass\ndef make(X):\n    class Y(X):\n        pass\n    return Y\ndef probe(facts):\n    return make(str)('ab') == 'ab'",
    "subclass of text with its own count": "class X:\n    pass\nX = str\nclass Y(X):\n    def count(self, part):\n        return 0\ndef probe(facts):\n    s = 'a'\n    for i in range(20):\n        s = Y(s).replace('a', 'aa')\n"
    + _GROW,
    "subclass of list": "class X:\n    pass\nX = list\nclass Y(X):\n    pass\ndef probe(facts):\n    s = Y([1])\n    for i in range(20):\n        s.extend(s)\n"
    + _GROW,
    "subclass of dict with keys": "class X:\n    pass\nX = dict\nclass Y(X):\n    def keys(self):\n        return [1]\ndef probe(facts):\n    return list(Y().keys()) == [1]",
    "many classes": "def probe(facts):\n    n = 0\n    for i in range(3000):\n        class C:\n            x = 1\n        n += C.x\n    return n == 3000",
    # Types without their guards.
    "type by isinstance": "class C:\n    pass\ndef probe(facts):\n    isinstance(1, (y := str))\n    return '0x' in y(C())",
    "type by isinstance and a list": "class C:\n    pass\ndef probe(facts):\n    keep = []\n    isinstance(1, (int, [keep.append(str), int][1]))\n    return '0x' in keep[0](C())",
    "type by isinstance and a function": "class C:\n    pass\nkeep = []\ndef f(t):\n    keep.append(t)\n    return t\ndef probe(facts):\n    isinstance(1, f(str))\n    return '0x' in keep[0](C())",
    "join of the type": "def probe(facts):\n    isinstance(1, (y := str))\n    s = 'ab'\n    for i in range(20):\n        s = y.join(s, ['', '', ''])\n"
    + _GROW,
    "replace of the type": "def probe(facts):\n    s = 'a'\n    for i in range(20):\n        s = str.replace(s, 'a', 'aa')\n" + _GROW,
    "extend of the type": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        list.extend(s, s)\n" + _GROW,
    "update of Counter": "from collections import Counter\ndef probe(facts):\n    s = Counter()\n    for i in range(12):\n        Counter.update(s, range(i * 90000, (i + 1) * 90000))\n"
    + _GROW,
    # Assignments.
    "product in place behind a call": "box = [[0]]\ndef g():\n    return box\ndef probe(facts):\n    for i in range(4):\n        g()[0] *= 64\n    return len(box[0]) > 1000000",
    "power in place behind a call": "box = [3]\ndef g():\n    return box\ndef probe(facts):\n    for i in range(3):\n        g()[0] **= 64\n    return box[0].bit_length() > 100000",
    "percent in place behind a call": "box = ['%1000000d']\ndef g():\n    return box\ndef probe(facts):\n    g()[0] %= 5\n    return len(box[0]) == 1000000",
    "shift in place behind a call": "box = [1]\ndef g():\n    return box\ndef probe(facts):\n    for i in range(2000):\n        g()[0] <<= 64\n    return box[0].bit_length() > 100000",
    "sum in place behind a call": "box = ['ab']\ndef g():\n    return box\ndef probe(facts):\n    for i in range(20):\n        g()[0] += box[0]\n    return len(box[0]) > 1000000",
    "product in place behind a computed place": "def probe(facts):\n    s = [[0], [0]]\n    for i in range(20):\n        s[i - i] *= 2\n    return len(s[0]) > 1000000",
    "difference of sets in place": "def probe(facts):\n    t = set(range(90000))\n    e = set()\n    s = []\n    for i in range(12):\n        s += t - e\n"
    + _GROW,
    "differences kept": "def probe(facts):\n    t = set(range(90000))\n    e = set()\n    s = []\n    for i in range(60):\n        s.append(t - e)\n    return len(s) == 60",
    "negative of a Counter in place": "from collections import Counter\ndef probe(facts):\n    c = Counter(range(90000))\n    c.subtract(c)\n    c.subtract(range(90000))\n    s = []\n    for i in range(12):\n        s += -c\n"
    + _GROW,
    "rest of a loop": "def probe(facts):\n    a = [1] * 90000\n    s = []\n    for x, *y in [a] * 60:\n        s.append(y)\n    return len(s) == 60",
    "rest of a comprehension": "def probe(facts):\n    a = [1] * 90000\n    return len([y for x, *y in [a] * 60]) == 60",
    "rest within": "def probe(facts):\n    a = [1] * 90000\n    s = []\n    for i in range(60):\n        x, (y, *z) = 1, a\n        s.append(z)\n    return len(s) == 60",
    "rest put on an object": "class C:\n    pass\ndef probe(facts):\n    a = [1] * 90000\n    c = C()\n    s = []\n    for i in range(60):\n        x, *c.y = a\n        s.append(c.y)\n    return len(s) == 60",
    "rest of a pattern": "def probe(facts):\n    a = [1] * 90000\n    s = []\n    for i in range(60):\n        match a:\n            case [x, *y]:\n                s.append(y)\n    return len(s) == 60",
    "rest of a mapping": "def probe(facts):\n    a = {i: i for i in range(15000)}\n    s = []\n    for i in range(500):\n        match a:\n            case {0: x, **y}:\n                s.append(y)\n    return len(s) == 500",
    "rest of nested patterns": "def probe(facts):\n    a = [1] * 90000\n    s = []\n    for i in range(60):\n        match {'k': [a, a]}:\n            case {'k': [[x, *y], [z, *w]]} if x:\n                s.append((y, w))\n    return len(s) == 60",
    "class pattern of a builtin": "def probe(facts):\n    match 'a':\n        case str(x):\n            return x == 'a'",
    "pattern that deletes": "class C:\n    def drop(self):\n        del self.depth\ndef probe(facts):\n    C.drop(facts)\n    return 'depth' not in facts.__dict__",
    # Many in one line.
    "many unpacked": "def probe(facts):\n    a = [1] * 90000\n    return len([" + "*a, " * 60 + "]) > 1000000",
    "many unpacked iterators": "def probe(facts):\n    a = [1] * 90000\n    return len([" + "*iter(a), " * 60 + "]) > 1000000",
    "many unpacked dictionaries": "def probe(facts):\n    a = {i: i for i in range(15000)}\n    return [{"
    + "**a, " * 400
    + "}, 1][1] == 1",
    "many unpacked arguments": "def f(*a):\n    return len(a)\ndef probe(facts):\n    a = [1] * 90000\n    return f("
    + "*a, " * 60
    + ") > 1000000",
    "many in an f-string": "def probe(facts):\n    a = 'a' * 90000\n    return len(f'" + "{a}" * 60 + "') > 1000000",
    "many texts kept": "def probe(facts):\n    a = 'a' * 90000\n    s = []\n    for i in range(200):\n        s.append(a.upper())\n    return len(s) == 200",
    "many casefolds kept": "def probe(facts):\n    a = 'ß' * 45000\n    s = []\n    for i in range(200):\n        s.append(a.casefold())\n    return len(s) == 200",
    # Names that are bound again, so that what is known of them is wrong.
    "len that is bound again": "def len(x):\n    return x\ndef probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s = s + len(s)\n    return s.count('ab') > 500000",
    "int that is bound again by an import": "from copy import copy as int\ndef probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s += int(s)\n"
    + _GROW,
    "abs that is bound by a pattern": "def probe(facts):\n    match [lambda x: x]:\n        case [abs]:\n            s = 'ab'\n            for i in range(20):\n                s = s + abs(s)\n    return len(s) > 1000000",
    "round that is bound by an argument": "def grow(s, round):\n    for i in range(20):\n        s += round(s)\n    return s\ndef probe(facts):\n    return len(grow('ab', lambda x: x)) > 1000000",
    "float that is bound by a loop": "def probe(facts):\n    s = 'ab'\n    for float in [lambda x: x]:\n        for i in range(20):\n            s = s + float(s)\n    return len(s) > 1000000",
    "isinstance that is bound again": "class C:\n    pass\ndef isinstance(x, y):\n    return y\ndef probe(facts):\n    return '0x' in isinstance(1, str)(C())",
    "builtin on the global level": "def f():\n    global len\n    len = lambda x: x\ndef probe(facts):\n    f()\n    s = 'ab'\n    for i in range(20):\n        s = s + len(s)\n    return s.count('ab') > 500000",
    # What is computed before anything runs.
    "annotation of an argument": "seen = []\ndef probe(facts: seen.append(1)):\n    return seen == [1]",
    "annotation of a result": "seen = []\ndef probe(facts) -> seen.append(1):\n    return seen == [1]",
    "annotation of a name": "seen = []\nx: seen.append(1) = 1\ndef probe(facts):\n    return seen == [1]",
    "default argument": "def probe(facts, x=().__class__):\n    return x is tuple",
    "default argument of a lambda": "f = lambda x=().__class__: x\ndef probe(facts):\n    return f() is tuple",
    "decorator that is a lambda": "@(lambda f: lambda facts: True)\ndef probe(facts):\n    return False",
    "decorator that is an item": "@[staticmethod, lambda f: lambda facts: True][1]\ndef probe(facts):\n    return False",
    "decorator that is bound again": "def staticmethod(f):\n    return lambda facts: True\n@staticmethod\ndef probe(facts):\n    return False",
    "base class that is a call": "class C(type('D', (), {'x': 1})):\n    pass\ndef probe(facts):\n    return C.x == 1",
    "text folded": "def probe(facts):\n    return len('a' * 10 ** 7) == 10 ** 7",
    "tuple folded": "def probe(facts):\n    return len((1,) * 10 ** 6) == 10 ** 6",
    "tuples folded": "def probe(facts):\n    return len(((1,) * 1000, 2)[0] * 1000) == 1000000",
    "number folded": "def probe(facts):\n    return (2 ** 10 ** 6).bit_length() > 10 ** 5",
    "shift folded": "def probe(facts):\n    return (1 << 10 ** 6).bit_length() > 10 ** 5",
    "negative number folded": "def probe(facts):\n    return (-3 ** 100000).bit_length() > 10 ** 5",
    "percent folded": "def probe(facts):\n    return len('%9999999d' % 1) == 9999999",
    "hexadecimal literal": "def probe(facts):\n    return 0x" + "f" * 30_000 + " > 1",
    "product of texts and numbers": "def probe(facts):\n    return len(1000 * 'a' * 1000) == 1000000",
    "fraction that hides a list": "def probe(facts):\n    return len([0] * (10 ** 6 // 1)) == 10 ** 6",
    "zip of many": "def probe(facts):\n    a = [1] * 2000\n    return len(list(zip(*[a] * 2000))) == 2000",
    "map of many": "def probe(facts):\n    a = [1] * 2000\n    kept = []\n    return len(list(map(lambda *b: kept.append(b), *[a] * 2000))) == 2000 and len(kept) == 2000",
    # Numbers and texts.
    "number from hexadecimal digits": "def probe(facts):\n    return int('f' * 90000, 16).bit_length() > 100000",
    "number from binary digits": "def probe(facts):\n    return int('1' * 90000, base=2).bit_length() > 80000",
    "number from digits, passed on": "def probe(facts):\n    return list(map(int, ['1' * 90000], [2]))[0].bit_length() > 80000",
    "number from digits, by isinstance": "def probe(facts):\n    isinstance(1, (y := int))\n    return y('1' * 90000, 2).bit_length() > 80000",
    "text of an error": "def probe(facts):\n    a = [1]\n    for i in range(16):\n        a = [a, a]\n    return len(str(ValueError(a))) > 100000",
    "text of an error in an f-string": "def probe(facts):\n    a = [1]\n    for i in range(16):\n        a = [a, a]\n    return len(f'{ValueError(a)}') > 100000",
    "text of an error's arguments": "def probe(facts):\n    a = 'a' * 90000\n    return len(str(ValueError(*[a] * 20))) > 1000000",
    "text of many long parts": "def probe(facts):\n    a = 'a' * 90000\n    return len(str([a] * 20)) > 1000000",
    "text of many long parts in an f-string": "def probe(facts):\n    a = 'a' * 90000\n    return len(f'{[a] * 20}') > 1000000",
    # Guards called in unusual ways.
    "sum with a named beginning": "def probe(facts):\n    return len(sum([[0]] * 5000, **{'start': []})) == 5000",
    "many choices, named": "import random\ndef probe(facts):\n    return len(random.choices(population=[1], k=1000000)) == 1000000",
    "module under another name": "import random as r\ndef probe(facts):\n    return r._os is not None",
    "member of a module through an object": "import math\nclass C:\n    pass\nc = C()\nc.m = math\ndef probe(facts):\n    return c.m.factorial(10000).bit_length() > 100000",
    "attribute by two objects": "class C:\n    gi_frame = 1\ndef probe(facts):\n    return [g.gi_frame for g in [C(), (x for x in [1])]][1] is not None",
    "attribute of a lambda": "f = lambda: 1\nclass C:\n    func_globals = 1\ndef probe(facts):\n    return f.__globals__ is not None",
    "iterator over itself, in place": "def probe(facts):\n    s = [1]\n    for x in s:\n        s += [x, x]\n        if len(s) > 1000000:\n            return True",
    "rounding by name": "def probe(facts):\n    return len(str(round(7 * 10 ** 18, ndigits=-17))) > 0 and len(str(10 ** 1300)) > 1200",
    "slices in several dimensions": "def probe(facts):\n    return facts.grid[0:1,].size == 1",
    "channel between programs by a function": "import collections\ncollections.abc.mine = 1\ndef probe(facts):\n    return collections.abc.mine == 1",
}
