"""The command line: parses, calls, prints; no logic of its own."""

from maestromotif.cli.app import main

__all__ = ["main"]
