import pytest

from audit.seals import writing


@pytest.fixture(autouse=True)
def every_test_has_its_own_seal_log(own_seal_log):
    """Keep the seals of other tests away."""


@pytest.fixture
def one_seal_a_day(monkeypatch):
    """Seal all keys at once: the first seal starts at key 1, and other tests advance the sequences."""
    monkeypatch.setattr(writing, "MAX_KEYS", 10**9)
