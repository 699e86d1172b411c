"""How a server is started, listens and ends."""
