"""Features and predictions over HTTP."""
