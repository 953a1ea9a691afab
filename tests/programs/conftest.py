"""Programs refuse to run beside secrets; a developer's own keys must not fail the tests."""

from __future__ import annotations

import pytest

from maestromotif.programs.sandbox import secret_names


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in secret_names():
        monkeypatch.delenv(name)
