"""Environments with language; see ``contract`` for what a domain owes and ``registry`` for how it is found."""

from maestromotif.domains.contract import Domain, DomainEnv, Facts, FactSpec, SignSpec, Simulator, Task
from maestromotif.domains.registry import domain_ids, load_domain

__all__ = ["Domain", "DomainEnv", "FactSpec", "Facts", "SignSpec", "Simulator", "Task", "domain_ids", "load_domain"]
