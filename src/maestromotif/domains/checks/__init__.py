"""A test-suite that any domain can run against itself: does it keep the ``Domain`` contract?

``check_domain`` returns one result per check. A check that found nothing to look at (a domain without tasks, a mask that
never forbids anything) is ``vacuous``: it says so instead of passing. With pytest, inherit ``DomainContract`` and give it a
``make_domain``.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from pathlib import Path

from maestromotif.domains.checks.games import GAME_CHECKS
from maestromotif.domains.checks.language import LANGUAGE_CHECKS
from maestromotif.domains.checks.tools import Broken, Check, CheckResult, Nothing, Outcome
from maestromotif.domains.contract import Domain
from maestromotif.errors import MaestroError

__all__ = ["CHECKS", "CheckResult", "DomainContract", "Outcome", "all_checks", "check_domain", "run_check"]

CHECKS: Mapping[str, Check] = {**GAME_CHECKS, **LANGUAGE_CHECKS}


def check_domain(domain: Domain, names: Collection[str] = ()) -> list[CheckResult]:
    """Run the checks. An exception raised by the domain itself is a failure of that check, not of the suite.

    Args:
        names: only these checks (keys of ``all_checks``); empty: all.
    """
    return [run_check(name, check, domain) for name, check in all_checks(domain).items() if not names or name in names]


def all_checks(domain: Domain) -> Mapping[str, Check]:
    """Those of every domain, and the domain's own."""
    return {**CHECKS, **domain.own_checks()}


def run_check(name: str, check: Check, domain: Domain) -> CheckResult:
    """One check; whatever the domain raises is a failure of it, told with the place where it was raised."""
    try:
        return CheckResult(name, Outcome.PASSED, check(domain))
    except Nothing as nothing:
        return CheckResult(name, Outcome.VACUOUS, str(nothing))
    except Broken as broken:
        return CheckResult(name, Outcome.FAILED, str(broken))
    except MaestroError as error:
        return CheckResult(name, Outcome.FAILED, str(error))
    except Exception as error:  # whatever a third party's domain raises is a finding
        return CheckResult(name, Outcome.FAILED, f"{type(error).__name__}: {error} ({_place(error)})")


def _place(error: Exception) -> str:
    """File and line of the innermost call that is not of the checks, or of the check itself."""
    here = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if not frame.filename.startswith(here)), frames[-1])
    return f"{frame.filename}, line {frame.lineno}"


class DomainContract:
    """For pytest: inherit it in a class ``TestMyDomainContract`` and override ``make_domain``."""

    may_be_vacuous: tuple[str, ...] = ()

    def make_domain(self) -> Domain:
        """The domain under test."""
        raise NotImplementedError

    def test_contract(self) -> None:
        """Every check passes; only those listed in ``may_be_vacuous`` may find nothing to look at."""
        results = check_domain(self.make_domain())
        problems = [f"{result.name}: {result.why}" for result in results if result.outcome is Outcome.FAILED]
        problems += [
            f"{result.name}: vacuous: {result.why}"
            for result in results
            if result.outcome is Outcome.VACUOUS and result.name not in self.may_be_vacuous
        ]
        assert not problems, "\n".join(problems)
