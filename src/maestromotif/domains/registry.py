"""Finding domains by id: the package's own and third parties', through one entry-point group."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import Domain
from maestromotif.errors import DomainError

__all__ = ["GROUP", "domain_ids", "load_domain"]

GROUP = "maestromotif.domains"


def domain_ids() -> tuple[str, ...]:
    """Ids of all registered domains, whether or not their extras are installed."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_domain(domain_id: str, options: Mapping[str, Any] | None = None, root: Path | None = None) -> Domain:
    """Make a domain.

    Args:
        root: the folder from which relative files among the options are meant (``Domain.file_options``); None: the current one.

    Raises:
        DomainError: unknown id, an extra that is not installed, or options that the domain refuses.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == domain_id]
    if not points:
        raise DomainError(f"unknown domain {domain_id!r}", "Known domains: " + ", ".join(domain_ids()))
    try:
        factory = points[0].load()
    except ModuleNotFoundError as error:
        raise DomainError(
            f"domain {domain_id!r} needs the package {error.name!r}", f"pip install 'maestromotif[{domain_id}]'"
        ) from error
    domain = factory(_located(factory, options or {}, root or Path()))
    if not isinstance(domain, Domain):
        raise DomainError(f"entry point {domain_id!r} in {GROUP} did not make a Domain", "Let it return a Domain")
    return domain


def _located(factory: Any, options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The options, with files by their whole path: other processes work elsewhere."""
    names = getattr(factory, "file_options", ())
    return {
        name: str((root / value).resolve()) if name in names and value and isinstance(value, str) else value
        for name, value in options.items()
    }
