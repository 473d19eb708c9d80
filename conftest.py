"""Shared by all tests: the cast."""

pytest_plugins = ["tests.cast"]
