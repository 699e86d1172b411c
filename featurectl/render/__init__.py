"""What people read of each result, and its JSON: the same for commands and for Python."""
