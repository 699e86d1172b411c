"""How many events the state of a view of a stream would hold, and the memory that it takes: by the stream's history."""
