"""The client of MCP servers: what they offer, and calls to them.

Nothing here imports the protocol's SDK before a server is connected to (60 MB, half a second): `sessions.py`,
`transports.py`, `wire.py` and `results.py` are imported inside of functions, by `connections.py` alone.
"""
