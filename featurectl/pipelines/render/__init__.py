"""Files for the schedulers that teams run: a table of targets, each one file."""
