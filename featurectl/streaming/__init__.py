"""Features from events, as they come."""
