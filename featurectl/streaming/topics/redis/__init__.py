"""Topics in the streams of Redis or Valkey, of one server or a Cluster."""
