"""A repository, one of its environments, and that environment's stores."""
