"""Problems in files, as data, and the list of their codes."""
