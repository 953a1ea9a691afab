# ruff: noqa: E501 - a program a line is easier to read than a folded one
"""Programs that try what they should not: each defines ``probe(facts)``, which returns True if it got through.

All are harmless when they succeed: they look, count or build something of moderate size, and touch nothing.
"""

from __future__ import annotations

REACH: dict[str, str] = {
    "import os": "import os\ndef probe(facts):\n    return bool(os.getcwd())",
    "import from sys": "from sys import modules\ndef probe(facts):\n    return 'builtins' in modules",
    "import submodule": "import os.path\ndef probe(facts):\n    return os.path.exists('/')",
    "import in function": "def probe(facts):\n    import math\n    return math.pi > 3",
    "star import": "from math import *\ndef probe(facts):\n    return pi > 3",
    "import builtins": "import builtins as b\ndef probe(facts):\n    return b.len([1]) == 1",
    "dunder import": "def probe(facts):\n    return bool(__import__('os').getcwd())",
    "eval": "def probe(facts):\n    return eval('1 + 1') == 2",
    "exec": "def probe(facts):\n    exec('x = 1')\n    return True",
    "compile": "def probe(facts):\n    return compile('1', 'x', 'eval') is not None",
    "open": "def probe(facts):\n    with open('/dev/null') as file:\n        return file.read() == ''",
    "open without with": "def probe(facts):\n    return open('/dev/null').read() == ''",
    "getattr": "def probe(facts):\n    return getattr('', '__class__') is str",
    "setattr on a fact": "def probe(facts):\n    setattr(facts, 'depth', 7)\n    return facts.depth == 7",
    "globals": "def probe(facts):\n    return '__builtins__' in globals()",
    "locals": "def probe(facts):\n    return 'facts' in locals()",
    "vars": "def probe(facts):\n    return 'probe' in vars()",
    "dir": "def probe(facts):\n    return '__class__' in dir(facts)",
    "type": "def probe(facts):\n    return type(facts) is not None",
    "builtins name": "def probe(facts):\n    return __builtins__ is not None",
    "class of a tuple": "def probe(facts):\n    return ().__class__ is tuple",
    "all subclasses": "def probe(facts):\n    return len(().__class__.__bases__[0].__subclasses__()) > 10",
    "mro": "def probe(facts):\n    return int.mro()[1] is object",
    "function globals": "def probe(facts):\n    return 'probe' in probe.__globals__",
    "function code": "def probe(facts):\n    return probe.__code__.co_name == 'probe'",
    "method's self": "def probe(facts):\n    return [].append.__self__ == []",
    "frame of a generator": "def probe(facts):\n    g = (x for x in [1])\n    return g.gi_frame.f_globals is not None",
    "frame, name declared first": (
        "class C:\n    def __init__(self):\n        self.gi_frame = self.f_back = self.f_globals = 1\n"
        "def probe(facts):\n    C()\n    return (x for x in [1]).gi_frame.f_globals is not None"
    ),
    "frame of a traceback": (
        "def probe(facts):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        return e.__traceback__.tb_frame is not None"
    ),
    "traceback, name declared first": (
        "class C:\n    with_traceback = 1\ndef probe(facts):\n    return ValueError().with_traceback(None) is not None"
    ),
    "format reaches attributes": "def probe(facts):\n    return 'class' in '{0.__class__}'.format(facts)",
    "format under another name": "def probe(facts):\n    f = '{0.__class__}'.format\n    return 'class' in f(facts)",
    "format_map": "def probe(facts):\n    return 'class' in '{f.__class__}'.format_map({'f': facts})",
    "format, name declared first": (
        "class C:\n    def format(self):\n        return 1\ndef probe(facts):\n    return 'class' in '{0.__class__}'.format(facts)"
    ),
    "class pattern": "def probe(facts):\n    match facts:\n        case object(__class__=c):\n            return c is not None\n    return False",
    "own dunder method": (
        "class C:\n    def __getattr__(self, name):\n        return 1\ndef probe(facts):\n    return isinstance(C(), object) and not hasattr(1, 'x')"
    ),
    "metaclass": "class C(metaclass=type):\n    pass\ndef probe(facts):\n    return C() is not None",
    "inherit from int": "class C(int):\n    def bit_length(self):\n        return 0\ndef probe(facts):\n    return C(5).bit_length() == 0",
    "decorator": "def d(f):\n    return f\n@d\ndef probe(facts):\n    return True",
    "facts written": "def probe(facts):\n    facts.depth = 99\n    return facts.depth == 99",
    "facts written through another name": "def probe(facts):\n    f = facts\n    f.depth = 99\n    return f.depth == 99",
    "fact deleted": "class C:\n    def drop(self):\n        del self.depth\ndef probe(facts):\n    C.drop(facts)\n    return True",
    "hidden attribute of facts": "class C:\n    def __init__(self):\n        self._hidden = 1\ndef probe(facts):\n    return facts._hidden == 'secret'",
    "os of random": "import random\nclass C:\n    def __init__(self):\n        self._os = 1\ndef probe(facts):\n    return random._os is not None",
    "random's own generator": "import random\ndef probe(facts):\n    return random.Random(1) is not None",
    "seeding": "import random\ndef probe(facts):\n    random.seed(1)\n    return True",
    "module member replaced": "import math\ndef probe(facts):\n    old = math.floor\n    math.floor = len\n    new = math.floor\n    math.floor = old\n    return new is len",
    "type's dict": "def probe(facts):\n    return str.__dict__['join'] is not None",
    "walrus of a dunder": "def probe(facts):\n    return (__x := 1) == 1",
    "lambda argument": "def probe(facts):\n    return (lambda __class__: True)(1)",
    "keyword dunder": "def probe(facts):\n    return dict(__class__=1)['__class__'] == 1",
    "exception alias": "def probe(facts):\n    try:\n        1 / 0\n    except ZeroDivisionError as __e:\n        return True",
    "base exception": "def probe(facts):\n    try:\n        raise BaseException\n    except BaseException:\n        return True",
    "exit": "def probe(facts):\n    try:\n        raise SystemExit\n    except SystemExit:\n        return True",
    "address of an object": "class C:\n    pass\ndef probe(facts):\n    return '0x' in str(C())",
    "address in an f-string": "class C:\n    pass\ndef probe(facts):\n    return '0x' in f'{C()}'",
    "memoryview": "def probe(facts):\n    return memoryview(b'ab')[0] == 97",
    "async": "async def f():\n    return 1\ndef probe(facts):\n    f().close()\n    return True",
    "generator": "def f():\n    yield 1\ndef probe(facts):\n    return list(f()) == [1]",
}

# Bounded here so that the control can run them; in the sandbox each must run into a limit.
RESOURCE: dict[str, str] = {
    "long loop": "def probe(facts):\n    for i in range(90000):\n        pass\n    return True",
    "while loop": "def probe(facts):\n    i = 0\n    while i < 300000:\n        i += 1\n    return True",
    "comprehensions": "def probe(facts):\n    return len([i for j in range(600) for i in range(600)]) > 0",
    "generator expression": "def probe(facts):\n    return sum(1 for j in range(600) for i in range(600)) > 0",
    "recursion in breadth": "def f(n):\n    return 1 if n == 0 else f(n - 1) + f(n - 1)\ndef probe(facts):\n    return f(17) > 0",
    "lambdas": "def probe(facts):\n    return len(list(map(lambda x: x, range(90000)))) > 0 and len(list(map(lambda x: x, range(90000)))) > 0",
    "sort keys": "def probe(facts):\n    return len(sorted(range(90000), key=lambda x: -x)) == 90000",
    "loop in finally": (
        "def probe(facts):\n    n = 0\n    while n < 300000:\n        try:\n            n += 1\n            while n % 1000:\n                n += 1\n"
        "        finally:\n            continue\n    return True"
    ),
    "fuel hidden by return": (
        "def probe(facts):\n    try:\n        for i in range(90000):\n            for j in range(3):\n                pass\n    finally:\n        return True"
    ),
    "fuel hidden by except": (
        "def probe(facts):\n    for k in range(9):\n        try:\n            for i in range(90000):\n                pass\n        except Exception:\n"
        "            pass\n    return True"
    ),
    "string repeated": "def probe(facts):\n    return len('a' * 1000000) == 1000000",
    "list repeated": "def probe(facts):\n    return len([0] * 1000000) == 1000000",
    "repeated by name": "def probe(facts):\n    n = 1000\n    return len(['a'] * n * n) == 1000000",
    "repeated in place": "def probe(facts):\n    x = [0]\n    for i in range(3):\n        x *= 100\n    return len(x) == 1000000",
    "string doubled": "def probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s = s + s\n    return len(s) > 1000000",
    "string doubled in place": "def probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s += s\n    return len(s) > 1000000",
    "attribute doubled in place": (
        "class C:\n    def __init__(self):\n        self.s = 'ab'\n"
        "def probe(facts):\n    c = C()\n    for i in range(20):\n        c.s += c.s\n    return len(c.s) > 1000000"
    ),
    "doubled in an f-string": "def probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s = f'{s}{s}'\n    return len(s) > 1000000",
    "doubled by unpacking": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        s = [*s, *s]\n    return len(s) > 1000000",
    "doubled by calls": "def f(*a):\n    return a\ndef probe(facts):\n    s = (1,)\n    for i in range(20):\n        s = f(*s, *s)\n    return len(s) > 1000000",
    "doubled by extend": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        s.extend(s)\n    return len(s) > 1000000",
    "doubled by replace": "def probe(facts):\n    s = 'a'\n    for i in range(20):\n        s = s.replace('a', 'aa')\n    return len(s) > 1000000",
    "doubled by join": "def probe(facts):\n    s = 'ab'\n    for i in range(20):\n        s = s.join(['', '', ''])\n    return len(s) > 1000000",
    "doubled by slice assignment": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        s[len(s):] = s\n    return len(s) > 1000000",
    "doubled by a kept join": "def probe(facts):\n    j = ''.join\n    s = 'ab'\n    for i in range(20):\n        s = j([s, s])\n    return len(s) > 1000000",
    "doubled by a kept extend": "def probe(facts):\n    s = [1]\n    e = s.extend\n    for i in range(20):\n        e(s)\n    return len(s) > 1000000",
    "doubled by annotated slice assignment": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        s[len(s):]: list = s\n    return len(s) > 1000000",
    "doubled by a loop over slices": "def probe(facts):\n    s = [1]\n    for i in range(20):\n        for s[len(s):] in [s]:\n            pass\n    return len(s) > 1000000",
    "format width": "def probe(facts):\n    return len(f'{1:1000000}') == 1000000",
    "percent width": "def probe(facts):\n    return len('%1000000d' % 1) == 1000000",
    "percent by name": "def probe(facts):\n    f = '%1000000d'\n    return len(f % 1) == 1000000",
    "justify": "def probe(facts):\n    return len('a'.ljust(1000000)) == 1000000",
    "zfill": "def probe(facts):\n    return len('a'.zfill(1000000)) == 1000000",
    "power": "def probe(facts):\n    return (2 ** 100000).bit_length() > 100000",
    "power by name": "def probe(facts):\n    n = 2\n    n **= 100000\n    return n.bit_length() > 100000",
    "pow": "def probe(facts):\n    return pow(2, 100000).bit_length() > 100000",
    "shift": "def probe(facts):\n    n = 100000\n    return (1 << n).bit_length() > 100000",
    "squaring": "def probe(facts):\n    n = 3\n    for i in range(17):\n        n = n * n\n    return n.bit_length() > 100000",
    "factorial": "import math\ndef probe(facts):\n    return math.factorial(10000).bit_length() > 100000",
    "large literal": f"def probe(facts):\n    return {10**40} > 1",
    "large range": "def probe(facts):\n    return sum(range(1000000)) > 0",
    "list of a large range": "def probe(facts):\n    return len(list(range(1000000))) == 1000000",
    "rounding to many places": "def probe(facts):\n    return round(5, -100000) == 0 and len(str(round(7 * 10 ** 18, -17))) > 90000",
    "sum of lists": "def probe(facts):\n    return len(sum([[0]] * 5000, [])) == 5000",
    "text of shared lists": (
        "def probe(facts):\n    a = [1]\n    for i in range(16):\n        a = [a, a]\n    return len(str(a)) > 100000"
    ),
    "many choices": "import random\ndef probe(facts):\n    return len(random.choices([1, 2], k=1000000)) == 1000000",
    "counted elements": (
        "from collections import Counter\ndef probe(facts):\n    return sum(1 for _ in Counter({'a': 1000000}).elements()) == 1000000"
    ),
}
