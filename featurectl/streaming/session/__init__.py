"""Workers on what is applied: what they work on, how they follow the registry, how many there are."""
