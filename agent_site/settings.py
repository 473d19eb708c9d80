"""All settings, in the order of .env.example. Each has a default that works; what cannot work together is refused by
checks.py, and a value that makes no sense by env.py."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from agent_site import embedded_postgres, env
from agent_site.env import BASE_DIR
from common.kept import kept_secret

# Where things are kept
DATA_DIR = env.folder("DATA_DIR", Path("var"))
WORKSPACE_DIR = env.folder("WORKSPACE_DIR", DATA_DIR / "workspace")
DATABASE_URL = env.text("DATABASE_URL")
HOST_ID = env.text("HOST_ID", socket.gethostname())
SECRET_KEY = env.secret("SECRET_KEY") or kept_secret(DATA_DIR, "secret-key")

# The web server and who may enter
BIND = env.text("BIND", "127.0.0.1")
PORT = env.whole("PORT", 8000, least=1, most=65535)
PUBLIC_URL = env.url("PUBLIC_URL")
ALLOWED_HOSTS = [*env.words("ALLOWED_HOSTS"), "127.0.0.1", "localhost", "[::1]", BIND]
ADMIN_USERNAME = env.text("ADMIN_USERNAME", "admin")
ADMIN_PASSWORD = env.secret("ADMIN_PASSWORD")
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")

# Telegram
TELEGRAM_BOT_TOKEN = env.secret("TELEGRAM_BOT_TOKEN")
TELEGRAM_API_URL = env.url("TELEGRAM_API_URL", "https://api.telegram.org")
TELEGRAM_MODE = env.choice("TELEGRAM_MODE", "auto", ("auto", "webhook", "polling"))
TELEGRAM_WEBHOOK_SECRET = env.secret("TELEGRAM_WEBHOOK_SECRET") or kept_secret(DATA_DIR, "webhook-secret")
MASTER_CHAT_IDS = env.chat_ids("MASTER_CHAT_IDS")
TELEGRAM_RATE_LIMITS = env.choice("TELEGRAM_RATE_LIMITS", "on", ("on", "off")) == "on"

# Models
ANTHROPIC_API_KEY = env.secret("ANTHROPIC_API_KEY")
CLAUDE_CODE_OAUTH_TOKEN = env.secret("CLAUDE_CODE_OAUTH_TOKEN")
HAIKU_API_KEY = env.secret("HAIKU_API_KEY")
ANTHROPIC_BASE_URL = env.url("ANTHROPIC_BASE_URL")
HAIKU_MODEL = env.text("HAIKU_MODEL", "claude-haiku-5-5")
CLAUDE_MODEL = env.text("CLAUDE_MODEL", "claude-sonnet-5-5")

# Jobs and approvals
MESSAGE_HISTORY_LIMIT = env.whole("MESSAGE_HISTORY_LIMIT", 30, most=1000)
APPROVAL_POLICY = env.choice("APPROVAL_POLICY", "every_job", ("every_job", "actions", "risky"))
APPROVAL_TIMEOUT_SECONDS = env.whole("APPROVAL_TIMEOUT_SECONDS", 3600, least=10)
STANDING_PERMISSION_DAYS = env.whole("STANDING_PERMISSION_DAYS", 30, least=1)
SILENCE_MINUTES = env.whole("SILENCE_MINUTES", 10, least=1)
STALE_NOTICE_MINUTES = env.whole("STALE_NOTICE_MINUTES", 60, least=1)
INTERRUPTED_WORK_HOURS = env.whole("INTERRUPTED_WORK_HOURS", 2, least=1)

# What tools may do: the gate's rules that only ask instead of denying, and what may be read beside the workspace
TOOL_DENY_OVERRIDES = env.words("TOOL_DENY_OVERRIDES")
TOOL_READABLE_DIRS = env.words("TOOL_READABLE_DIRS", "/etc /var/log /var/lib/dpkg /var/lib/apt/lists /var/cache/apt")

# What tools take away is kept
TRASH_MAX_MB = env.whole("TRASH_MAX_MB", 1000)
SNAPSHOT_MAX_MB = env.whole("SNAPSHOT_MAX_MB", 200)

# Budgets
PROACTIVE_DAILY_TOKEN_LIMIT = env.whole("PROACTIVE_DAILY_TOKEN_LIMIT", 7_000_000)
DAILY_COST_LIMIT_USD = env.amount("DAILY_COST_LIMIT_USD", 200)

# Being watched
MONITORING_TOKEN = env.secret("MONITORING_TOKEN")
DEAD_MAN_URL = env.url("DEAD_MAN_URL")

# ---- From here on: Django's own, nothing to set ----

DEBUG = False
ALLOWED_HOSTS += [urlsplit(PUBLIC_URL).hostname or ""] if PUBLIC_URL else []
DATABASES: dict[str, dict[str, Any]] = {
    "default": environ.Env.db_url_config(DATABASE_URL) if DATABASE_URL else embedded_postgres.settings(DATA_DIR)
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":  # anything else is refused by checks.py
    DATABASES["default"]["ENGINE"] = "common.postgres"
DATABASES["default"] |= {
    "CONN_MAX_AGE": None,  # closing after each request costs 7 ms of the server's CPU; a pool breaks in what forks
    "CONN_HEALTH_CHECKS": True,  # without a round trip: common/postgres
    # Statements are prepared when they come the third time: a third less of the server's CPU. A PgBouncer before the
    # server must pool sessions (NOTIFY and advisory locks need that too). In DATABASE_URL, ?prepare_threshold=None
    # turns it off.
    "OPTIONS": {
        "server_side_binding": True,
        "prepare_threshold": 2,
        "connect_timeout": 10,
        "tcp_user_timeout": 20_000,  # ms; a server that went without a word is missed
        "keepalives_idle": 15,  # s; listening connections send nothing by which they would miss it
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # A statement that runs away is ended. So is a transaction whose process was stopped: it holds rows that others
        # wait for. A PgBouncer refuses this unless told to ignore it; in DATABASE_URL, ?options= turns it off.
        "options": "-c statement_timeout=120s -c idle_in_transaction_session_timeout=60s",
        "application_name": f"agent {env.program()}",
    }
    | DATABASES["default"].get("OPTIONS", {}),
    "TEST": {"NAME": env.text("TEST_DATABASE_NAME", "test_agent")},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "agent_site",
    "telegram_bridge",
    "web_chat",
    "jobs",
    "threads",
    "agents",
    "llm",
    "tools",
    "budget",
    "approvals",
    "ops",
    "common",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "agent_site.csp.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "agent_site.first_password.FirstPasswordGate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "agent_site.urls"
WSGI_APPLICATION = "agent_site.wsgi.application"
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
            ]
        },
    }
]
USE_TZ = True
USE_I18N = False
LANGUAGE_CODE = "en"

# Served from the apps' own folders: nothing to collect, so a new release cannot show old files
STATIC_URL = "/static/"
STATIC_ROOT = None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
MEDIA_ROOT = DATA_DIR / "media"

# Sessions and forms. A browser sends secure cookies to an https PUBLIC_URL and to localhost
LOGIN_URL = "admin:login"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PUBLIC_URL.startswith("https://") else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# django-q2 keeps its tables, schedules and admin; the cluster is common/cluster.py, with the limits of clusters.py
Q_CLUSTER = {
    "name": "talk",
    "orm": "default",
    "broker_class": "common.broker.PostgresBroker",
    "timeout": 90,
    "retry": 120,
    "save_limit": -1,
    "catch_up": False,
    "ack_failures": True,
    "time_zone": TIME_ZONE,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "agent_site.logs.RedactingFormatter"}},
    "handlers": {"stderr": {"class": "agent_site.logs.FollowingHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "WARNING"},
        "django-q": {"level": "WARNING"},
        # these log addresses, and the address of a Telegram call contains the bot's token
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "telegram": {"level": "WARNING"},
        "mcp": {"level": "WARNING"},  # it logs the ids of sessions
    },
}

UNFOLD = {
    "SITE_TITLE": "Server Agent",
    "SITE_HEADER": "Server Agent",
    "SITE_SYMBOL": "smart_toy",
    "SITE_URL": "/chat/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/common/favicon.svg"}],
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "agent_site.dashboard.dashboard",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "agent_site.navigation.sidebar",
    },
}
