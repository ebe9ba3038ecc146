"""Settings. What differs between installations comes from environment variables, listed in the README.

An invalid value is refused by the variable's name, so that a typing error never becomes a silent default.
"""

import ipaddress
import os
import secrets
import stat
import warnings
import zoneinfo
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from didmgmt.first_process import read_or_make

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def env_bool(name, default):
    """Return a boolean; unlike in django-environ, "DEBUG=flase" is an error and not False."""
    value = env.str(name, "").strip().lower()
    if not value:
        return default
    if value in env.BOOLEAN_TRUE_STRINGS:
        return True
    if value in ("0", "false", "off", "no", "n"):
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0 (or true/false, yes/no, on/off), not {value!r}.")


def env_int(name, default, low, high):
    value = env.str(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return int(value)


def env_choice(name, default, choices, what):
    value = env.str(name, "").strip() or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be {what}, not {value!r}.")
    return value


def env_list(name, default=()):
    return [item.strip() for item in env.list(name, default=list(default)) if item.strip()]


def env_database(name, default):
    """Return the settings of a database URL; the error never repeats it, because it holds a password."""
    value = env.str(name, "").strip() or default
    try:
        with warnings.catch_warnings(action="error"):  # the library's warning would print the password
            database = env.db_url_config(value)
    except Exception:  # noqa: BLE001 - whatever the library raises, the value is invalid
        database = {}
    engine = database.get("ENGINE", "").rpartition(".")[2]
    if engine not in ("sqlite3", "postgresql") or not database.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} must be sqlite:////path/to/file or postgres://user:password@host:port/name."
        )
    database.setdefault("CONN_MAX_AGE", 600)  # reconnecting costs SQLite as much as three queries
    if engine == "sqlite3":
        database["ENGINE"] = "didmgmt.sqlite3"
        if database["NAME"] != ":memory:":
            database["NAME"] = BASE_DIR / database["NAME"]
        database["OPTIONS"] = {
            # A transaction takes the write lock when it begins. Otherwise one that reads before it writes
            # fails at once with "database is locked" if another one has written in between.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; "
                # Per thread. A larger cache or a memory-mapped file saved no CPU.
                "PRAGMA cache_size=-16384"
            ),
        }
    else:
        database["ENGINE"] = "didmgmt.postgresql"
        database["CONN_HEALTH_CHECKS"] = True
        # A host that is gone is noticed within half a minute.
        keepalives = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        waiting = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 30_000, **keepalives}
        database["OPTIONS"] = waiting | database.get("OPTIONS", {})
    return database


def private_folder(path):
    """Return the folder ``path`` once only its owner can read what is in it, whatever the umask was.

    It holds the database, the secret key and uploaded files. New files are private from now on; those of a
    folder that others could enter are made private once.
    """
    os.umask(0o077)
    try:
        mode = path.stat().st_mode
        if mode & stat.S_ISVTX:
            raise ImproperlyConfigured(f"VAR_DIR {path} is shared by all users. Name a folder of its own.")
        if mode & 0o077:
            for folder, _, names in os.walk(path, topdown=False):  # itself last: if stopped, it is repeated
                for name in names:
                    if not (file := Path(folder, name)).is_symlink():
                        file.chmod(file.stat().st_mode & 0o700)
                os.chmod(folder, 0o700)
    except (FileNotFoundError, NotADirectoryError):
        pass  # it is created, or refused, when something is written
    except OSError as error:
        raise ImproperlyConfigured(f"VAR_DIR {path} can’t be made private: {error.strerror}.") from None
    return path


def env_file(name, default):
    """Return the path of a file, whose folder must exist unless it is the default."""
    value = env.str(name, "").strip()
    path = BASE_DIR / Path(value or default).expanduser()
    if value and (path.is_dir() or not path.parent.is_dir()):
        raise ImproperlyConfigured(f"{name} must be a file in an existing folder, not {str(path)!r}.")
    return path


def env_url(name):
    """Return a web address or ""; the error never repeats it, because it may hold a secret."""
    value = env.str(name, "").strip()
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if value and not valid:
        raise ImproperlyConfigured(f"{name} must be a web address such as https://host/path.")
    return value


def env_addresses(name):
    addresses = env_list(name)
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise ImproperlyConfigured(
                f"{name} must be mail addresses, separated by commas; {address!r} is none."
            ) from None
    return addresses


def env_token(name):
    """Return a secret of at least 16 characters or ""; the error never repeats it."""
    value = env.str(name, "").strip()
    if value and (len(value) < 16 or not value.isascii() or not value.isprintable() or " " in value):
        raise ImproperlyConfigured(f"{name} must have at least 16 characters, ASCII without blanks.")
    return value


def env_networks(name):
    networks = []
    for value in env_list(name):
        try:
            networks.append(ipaddress.ip_network(value))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be networks such as 10.0.0.0/8 or addresses, separated by commas; {value!r} is"
                " none."
            ) from None
    return networks


def env_mail_server(name):
    """Return Django's EMAIL_… settings; the error never repeats the value, because it holds a password."""
    value = env.str(name, "").strip()
    if not value:
        return {}
    try:
        server = env.email_url_config(value)
    except Exception:  # noqa: BLE001 - whatever the library raises, the value is invalid
        server = {}
    if not (server.get("EMAIL_BACKEND", "").endswith("smtp.EmailBackend") and server.get("EMAIL_HOST")):
        raise ImproperlyConfigured(
            f"{name} must be smtp://user:password@host:port, or smtp+tls:// or smtp+ssl:// with encryption."
        )
    return server


def secret_key():
    """Return SECRET_KEY, or the key generated on the first start, which only its owner can read."""
    if key := env.str("SECRET_KEY", ""):
        if len(key) < 50:
            raise ImproperlyConfigured("SECRET_KEY must have at least 50 characters.")
        return key
    try:
        return read_or_make(VAR_DIR / "secret_key", lambda: secrets.token_urlsafe(64), 0o600)
    except OSError as error:
        raise ImproperlyConfigured(f"VAR_DIR {VAR_DIR} cannot be written: {error.strerror}.") from None


# Where it runs
DEBUG = env_bool("DEBUG", False)
VAR_DIR = private_folder(BASE_DIR / Path(env.str("VAR_DIR", "") or "var").expanduser())
SECRET_KEY = secret_key()
# Former and next keys, whose signatures are valid as well: see didmgmt/keys.py
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
if any(len(key) < 50 for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured(
        "SECRET_KEY_FALLBACKS must be keys of at least 50 characters, separated by commas."
    )
# Signs the seals of history (audit.seals); set it where SECRET_KEY is rotated.
SEAL_KEY = env.str("SEAL_KEY", "") or SECRET_KEY
# Where the worker sends each seal, outside of the database (audit.seals.delivery)
SEAL_LOG = env_file("SEAL_LOG", VAR_DIR / "seals.log")
SEAL_WEBHOOK = env_url("SEAL_WEBHOOK")
SEAL_MAIL = env_addresses("SEAL_MAIL")
mail_server = env_mail_server("MAIL_URL")
if SEAL_MAIL and not mail_server:
    raise ImproperlyConfigured("SEAL_MAIL needs a mail server: set MAIL_URL.")
vars().update(mail_server)
# The address by which people reach the product, for links in mails; without both, notices are not mailed
BASE_URL = env_url("BASE_URL").rstrip("/")
NOTICE_MAIL = bool(mail_server and BASE_URL)
EMAIL_TIMEOUT = 10
if MAIL_FROM := env_addresses("MAIL_FROM"):
    DEFAULT_FROM_EMAIL = MAIL_FROM[0]
# How long to wait for PostgreSQL, see didmgmt/patience.py
CONNECT_SECONDS = env_int("DATABASE_CONNECT_SECONDS", 3, 2, 60)
DATABASE_REQUEST_SECONDS = env_int("DATABASE_REQUEST_SECONDS", 8, 1, 600)
DATABASE_LOCK_SECONDS = env_int("DATABASE_LOCK_SECONDS", 5, 1, 600)
DATABASE_JOB_SECONDS = env_int("DATABASE_JOB_SECONDS", 900, 10, 86_400)
DATABASE_IDLE_SECONDS = env_int("DATABASE_IDLE_SECONDS", 120, 10, 3600)
DATABASES = {"default": env_database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
# The role that owns the tables, for migrations and prunings (audit.roles); unset if DATABASE_URL's does.
OWNER_DATABASE = env_database("OWNER_DATABASE_URL", "") if env.str("OWNER_DATABASE_URL", "").strip() else None
if OWNER_DATABASE and {
    database["ENGINE"].rpartition(".")[2] for database in (OWNER_DATABASE, *DATABASES.values())
} != {"postgresql"}:
    raise ImproperlyConfigured(
        "OWNER_DATABASE_URL is for PostgreSQL: it and DATABASE_URL must be postgres://…."
    )
# Lists are read from the replica; see didmgmt/replica.py.
if env.str("REPLICA_URL", "").strip():
    DATABASES["replica"] = env_database("REPLICA_URL", "")
    if any(database["ENGINE"] != "didmgmt.postgresql" for database in DATABASES.values()):
        raise ImproperlyConfigured("REPLICA_URL is for PostgreSQL: it and DATABASE_URL must be postgres://….")
# A pooler in transaction mode gives each transaction another connection, so nothing may outlive one.
POOLED_TRANSACTIONS = (
    env_choice("DATABASE_POOLER", "none", ("none", "transaction"), "none or transaction") == "transaction"
)
for option in ("assume_role", "options", "prepare_threshold") if POOLED_TRANSACTIONS else ():
    if any(option in database["OPTIONS"] for database in DATABASES.values()):
        raise ImproperlyConfigured(
            f"DATABASE_POOLER=transaction: a connection can’t keep {option}. Remove it from the address."
        )
DATABASE_ROUTERS = ["didmgmt.replica.ReplicaRouter"] if "replica" in DATABASES else []
HOST = env.str("HOST", "").strip() or "127.0.0.1"
PORT = env_int("PORT", 8000, 1, 65535)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", dict.fromkeys(["localhost", "127.0.0.1", "[::1]", HOST]))
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
if odd := [origin for origin in CSRF_TRUSTED_ORIGINS if not origin.startswith(("http://", "https://"))]:
    raise ImproperlyConfigured(f"CSRF_TRUSTED_ORIGINS must begin with https:// or http://, not {odd[0]!r}.")
TIME_ZONE = env_choice(
    "TIME_ZONE", "UTC", zoneinfo.available_timezones(), "a time zone such as UTC or Europe/Vilnius"
)

# /metrics is for whoever sends the token, from one of the networks, as far as they are set; else for nobody.
METRICS_TOKEN = env_token("METRICS_TOKEN")
METRICS_NETWORKS = env_networks("METRICS_NETWORKS")
METRICS_OPEN = bool(METRICS_TOKEN or METRICS_NETWORKS)
# Shown by /metrics, such as the commit that an image was built from
BUILD = env.str("BUILD", "").strip() or "unknown"

# `manage.py serve` (make run) and `manage.py web`
DEMO = env_bool("DEMO", True)
WEB_PROCESSES = env_int("WEB_PROCESSES", 2, 1, 64)
WEB_THREADS = env_int("WEB_THREADS", 4, 1, 64)

# Rules and limits of the product
HOLD_DAYS = env_int("HOLD_DAYS", 30, 0, 365)
DID_REUSE_DAYS = env_int("DID_REUSE_DAYS", 90, 0, 3650)
LONG_NUMBERS = env_bool("LONG_NUMBERS", False)
NEW_DIDS_LIMIT = env_int("NEW_DIDS_LIMIT", 1_000_000, 1, 10_000_000)
REQUEST_LIMIT = env_int("REQUEST_LIMIT", 100_000, 1, 1_000_000)
JOB_LEASE = env_int("JOB_LEASE", 60, 1, 3600)
# Where webhooks may go besides public addresses over HTTPS, and days that events are kept (events)
WEBHOOK_PRIVATE_NETWORKS = env_networks("WEBHOOK_PRIVATE_NETWORKS")
WEBHOOK_HTTP = env_bool("WEBHOOK_HTTP", False)
WEBHOOK_KEEP_DAYS = env_int("WEBHOOK_KEEP_DAYS", 30, 4, 3650)
# When the end of a client's package is announced, and how long notices are kept (notices), in days
PACKAGE_END_DELTA = timedelta(days=env_int("PACKAGE_END_DAYS", 7, 1, 90))
NOTICE_KEEP_DAYS = env_int("NOTICE_KEEP_DAYS", 90, 1, 3650)
JOB_FILES_DAYS = env_int("JOB_FILES_DAYS", 30, 1, 3650)
UPLOAD_LIMIT = env_int("UPLOAD_LIMIT_MB", 200, 1, 4096) * 1024 * 1024
# Limits of a person or an address, see didmgmt/limits.py; 0 stands for none
REQUESTS_PER_MINUTE = env_int("REQUESTS_PER_MINUTE", 1_200, 0, 1_000_000)
ANONYMOUS_REQUESTS_PER_MINUTE = env_int("ANONYMOUS_REQUESTS_PER_MINUTE", 600, 0, 1_000_000)
API_REQUESTS_PER_MINUTE = env_int("API_REQUESTS_PER_MINUTE", 600, 0, 1_000_000)  # of a token
EXPORTS_AT_ONCE = env_int("EXPORTS_AT_ONCE", 2, 1, 64)
JOBS_WAITING = env_int("JOBS_WAITING", 50, 1, 100_000)
UPLOADS_PER_HOUR = env_int("UPLOADS_PER_HOUR", 120, 1, 100_000)
# Limits of imported files, and of the process that reads a workbook
IMPORT_ROWS = env_int("IMPORT_ROWS", 2_000_000, 1, 100_000_000)
IMPORT_COLUMNS = env_int("IMPORT_COLUMNS", 200, 1, 16_384)
IMPORT_CELL = env_int("IMPORT_CELL", 32_767, 100, 1_000_000)
UNPACKED_LIMIT = env_int("UNPACKED_LIMIT_MB", 2048, 1, 65_536) * 1024 * 1024
READ_SECONDS = env_int("READ_SECONDS", 120, 1, 3600)
READ_MEMORY = env_int("READ_MEMORY_MB", 2048, 256, 65_536) * 1024 * 1024
PAGE_SIZES = [20, 50, 100, 500]

# TLS=1: a proxy terminates TLS and sets X-Forwarded-Proto and X-Forwarded-For. It is off by default, because
# secure cookies would make it impossible to sign in on http://127.0.0.1.
TLS = env_bool("TLS", False)
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", int(TLS), 0, 10)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS
# Browsers accept a cookie with this prefix only from this host itself, over HTTPS and for every path.
COOKIE_PREFIX = "__Host-" if TLS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid", f"{COOKIE_PREFIX}csrftoken"
SEEN_COOKIE_NAME = f"{COOKIE_PREFIX}seen"
MESSAGE_STORAGE = "didmgmt.messages.MessageStorage"
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = TLS
# The browsers' preload list binds a domain for years, so its owner decides.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SECURITY_CONTACT = env.str("SECURITY_CONTACT", "").strip()
if SECURITY_CONTACT and not SECURITY_CONTACT.startswith(("https://", "mailto:", "tel:")):
    raise ImproperlyConfigured(
        f"SECURITY_CONTACT must begin with https://, mailto: or tel:, not {SECURITY_CONTACT!r}."
    )
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
    }
}

INSTALLED_APPS = [
    "didmgmt",
    "audit",
    "clients",
    "staff",
    "operators",
    "jobs",
    "dids",
    "events",
    "notices",
    "screens",
    "api",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_filters",
    "django_htmx",
    "import_export",
]
MIDDLEWARE = [
    "didmgmt.requests.RequestMiddleware",
    "didmgmt.compression.CompressionMiddleware",
    "didmgmt.timing.ServerTimeMiddleware",
    "didmgmt.proxy.ClientAddressMiddleware",
    "didmgmt.replica.WroteMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "didmgmt.headers.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "staff.middleware.SessionMiddleware",
    "didmgmt.limits.LimitMiddleware",
    "didmgmt.hosts.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "staff.middleware.SessionEndMiddleware",
    "staff.middleware.SignInMiddleware",
    "staff.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "audit.middleware.OriginMiddleware",
    "didmgmt.faults.FaultMiddleware",
    "didmgmt.form_tokens.FormTokenMiddleware",
    "axes.middleware.AxesMiddleware",
    "didmgmt.kept_forms.KeptFormMiddleware",
]
ROOT_URLCONF = "didmgmt.urls"
WSGI_APPLICATION = "didmgmt.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
USE_TZ = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "screens.frame.counts",
            ]
        },
    }
]

FORM_RENDERER = "didmgmt.forms.Renderer"

# Signing in
AUTH_USER_MODEL = "staff.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "staff.backends.StaffBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"staff.passwords.{name}"} for name in ("Length", "NotPersonal", "NotCommon", "NotOnlyDigits")
]
SESSION_ENGINE = "staff.sessions"
SESSION_IDLE_MINUTES = env_int("SESSION_IDLE_MINUTES", 480, 1, 10_080)
SESSION_COOKIE_AGE = env_int("SESSION_HOURS", 24, 1, 720) * 3600
CSRF_FAILURE_VIEW = "staff.middleware.csrf_failure"
LOGIN_URL = "staff:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "staff:login"
# Username and address together: a person who guesses passwords cannot lock out the owner elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_HANDLER = "staff.throttle.AddressHandler"
SIGN_IN_FAILURES_PER_ADDRESS = env_int("SIGN_IN_FAILURES_PER_ADDRESS", 100, 10, 100_000)
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "screens.staff.views.locked"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = []  # the log names who signs in and from where; passwords are always masked

# Files
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_ALLOW_ALL_ORIGINS = False
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_ROOT = VAR_DIR / "files"
FILE_UPLOAD_PERMISSIONS = 0o600
# A form may contain the ticked rows of several pages of 500.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
# A pasted list has at most 100,000 entries and 2,500,000 characters: a byte for each digit, and six
# ("%0D%0A") between entries.
# Decoding a form takes 80 times its size in the worst case.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LOG_FORMAT = env_choice("LOG_FORMAT", "line", ("line", "json"), "line or json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "didmgmt.logs.LineFormatter"},
        "json": {"()": "didmgmt.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {
        "handlers": ["stderr"],
        "level": env_choice(
            "LOG_LEVEL",
            "INFO",
            ("DEBUG", "INFO", "WARNING", "ERROR"),
            "one of DEBUG, INFO, WARNING, ERROR",
        ),
    },
    # Replaces Django's own handlers (console in DEBUG, mail to ADMINS).
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},
        # One record for each request, which a proxy's log has in lines already.
        **({"didmgmt.requests": {"level": "WARNING"}} if LOG_FORMAT == "line" else {}),
        # It warns whenever a request waits for a thread.
        "waitress.queue": {"level": "ERROR"},
    },
}
