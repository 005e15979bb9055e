"""The releases that ``make test-engine`` prepared; the tests are skipped where it did not run."""

from __future__ import annotations

import pytest

from kit.engine.releases import Release, missing, prepare


@pytest.fixture(scope="session")
def releases() -> dict[str, Release]:
    absent = missing()
    if absent:
        pytest.skip(f"make test-engine gets what these tests need: {'; '.join(absent)}")
    return {release.version: release for release in prepare()}
