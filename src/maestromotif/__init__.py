"""Skills described in English become rewards, programs and one trained policy.

The package follows the shape of the method, one folder for each phase; see docs/architecture.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestromotif.lazy import lazily

if TYPE_CHECKING:
    from maestromotif.frames import load

__all__ = ["__version__", "load"]

__version__ = "0.1.0"
__getattr__ = lazily(__name__, frames=["load"])
