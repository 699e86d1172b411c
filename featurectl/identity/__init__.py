"""What makes a thing this thing: its facts, its fingerprint, and what it is made of."""
