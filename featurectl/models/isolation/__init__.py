"""Models of files that come from elsewhere, run in a process of their own."""
