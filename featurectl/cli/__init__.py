"""The command line: parse, call, draw."""
