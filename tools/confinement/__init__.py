"""How commands are kept in bounds: what they can see and reach, how they are started, followed and ended."""
