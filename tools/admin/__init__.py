"""The admin pages of this app, a file for each noun."""

from tools.admin import executions as executions
