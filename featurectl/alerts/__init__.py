"""Alerts of a repository, as they are applied: looked at once or again and again, told, silenced."""
