"""Topics of events: in a file, in Redis or Valkey, in Kafka, behind one protocol (`base.py`)."""
