"""Whether what was served, and what the online store has, equals the offline tables; and where it does not, why."""
