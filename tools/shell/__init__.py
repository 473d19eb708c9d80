"""Reads command lines: what a line would run, and whether all of that only reads."""
