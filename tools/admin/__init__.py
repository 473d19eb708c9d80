"""The admin pages of this app, a file for each noun."""

from tools.admin import executions as executions
from tools.admin import outside as outside
from tools.admin import rules as rules
from tools.admin import servers as servers
from tools.admin import trash as trash
