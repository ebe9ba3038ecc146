"""The product's settings with what makes tests quick and repeatable."""

import atexit
import os
import tempfile

os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 4)
if "VAR_DIR" not in os.environ:
    # Set in the environment so that the worker processes of a parallel run share it.
    folder = tempfile.TemporaryDirectory(prefix="did-tests-")
    atexit.register(folder.cleanup)
    os.environ["VAR_DIR"] = folder.name

from didmgmt.settings import *  # noqa: F403
from didmgmt.settings import DATABASES, STORAGES, VAR_DIR

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: racing connections and the live server need to share it.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    # What a crash of the server would lose is of no use to anybody here: no waiting for the disk.
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"
# whitenoise warns of a missing folder, and a warning is an error here
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
