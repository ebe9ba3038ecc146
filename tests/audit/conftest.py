import pytest


@pytest.fixture(autouse=True)
def own_seal_log(settings, tmp_path):
    """Give each test a log of seals of its own: its database begins with seal 1 again."""
    settings.SEAL_LOG = tmp_path / "seals.log"
