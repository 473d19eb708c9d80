#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agent_site.settings")
    from django.core.management import execute_from_command_line

    from common.errors import AgentError

    try:
        execute_from_command_line(sys.argv)
    except AgentError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
