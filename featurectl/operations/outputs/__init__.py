"""Tables of results: what they can be written as, a file a format, and how they are written whole."""
