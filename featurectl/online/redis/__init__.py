"""The online store in Redis or Valkey."""
