"""Programs that try what they should not: each defines ``probe(facts)``, which returns True if it got through.

All are harmless when they succeed: they look, count or build something of moderate size, and touch nothing. Those of ``ENDLESS`` go on
until they are stopped, eat memory, or crash the interpreter that runs them.
"""

from __future__ import annotations

from collections.abc import Mapping

from .endless import ENDLESS
from .filter import FILTER
from .first import REACH, RESOURCE
from .reach import CRASHES, DESCRIPTORS, ENVIRONMENT, EXCEPTIONS, FILES, FORMATS, FRAMES, HOST, NETWORK, NUMPY, PROCESSES, RESULTS

__all__ = ["ALL", "FAMILIES"]

FAMILIES: Mapping[str, Mapping[str, str]] = {
    "reach": REACH,
    "resource": RESOURCE,
    "files": FILES,
    "environment and secrets": ENVIRONMENT,
    "network": NETWORK,
    "processes": PROCESSES,
    "frames and tracebacks": FRAMES,
    "format strings": FORMATS,
    "numpy arguments": NUMPY,
    "state of the host and of other programs": HOST,
    "types of results": RESULTS,
    "descriptors and metaclasses": DESCRIPTORS,
    "exceptions": EXCEPTIONS,
    "crashes": CRASHES,
    "tricks on the filter": FILTER,
    "endless and exponential": ENDLESS,
}
ALL: Mapping[str, str] = {f"{family}: {name}": source for family, programs in FAMILIES.items() for name, source in programs.items()}
