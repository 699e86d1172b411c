"""The steps that a registry's schema has taken; `versions/` holds them, `upgrade.py` runs those that are missing."""
