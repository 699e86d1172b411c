"""Row-level expressions: text -> parse -> check -> typed tree -> engines."""
