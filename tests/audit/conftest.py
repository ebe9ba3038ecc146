import pytest

from audit.seals import writing


@pytest.fixture(autouse=True)
def own_seal_log(settings, tmp_path):
    """Give each test a log of seals of its own: its database begins with seal 1 again."""
    settings.SEAL_LOG = tmp_path / "seals.log"


@pytest.fixture
def one_seal_a_day(monkeypatch):
    """Seal all keys at once: the first seal starts at key 1, and other tests advance the sequences."""
    monkeypatch.setattr(writing, "MAX_KEYS", 10**9)
