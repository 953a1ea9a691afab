"""Skills described in English become rewards, programs and one trained policy.

The package follows the shape of the method, one folder for each phase; see docs/architecture.md.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
