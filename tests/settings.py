"""The product's settings, with changes that make tests fast and repeatable."""

import atexit
import os
import tempfile

import environ

os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 4)
if "VAR_DIR" not in os.environ:
    # Set in the environment so that the worker processes of a parallel run share it.
    folder = tempfile.TemporaryDirectory(prefix="did-tests-")
    atexit.register(folder.cleanup)
    os.environ["VAR_DIR"] = folder.name

from didmgmt.settings import *  # noqa: F403
from didmgmt.settings import DATABASES, STORAGES, VAR_DIR

# Tests send more requests, and leave files unread. Those of the limits set them.
REQUESTS_PER_MINUTE = ANONYMOUS_REQUESTS_PER_MINUTE = API_REQUESTS_PER_MINUTE = 0
EXPORTS_AT_ONCE = WEB_THREADS = 1_000
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
TEMPLATE = os.environ.get("TEST_TEMPLATE")  # the URL of a migrated database to copy, if there is one
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory, because concurrent connections and the live server share it.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    # The test database need not survive a crash, so commits do not wait for the disk.
    DATABASES["default"]["OPTIONS"]["options"] = "-c synchronous_commit=off"
if TEMPLATE:
    name = environ.Env.db_url_config(TEMPLATE)["NAME"]
    DATABASES["default"].setdefault("TEST", {}).update({"TEMPLATE": name, "MIGRATE": False})
# WhiteNoise warns about a missing folder, and warnings are errors.
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
