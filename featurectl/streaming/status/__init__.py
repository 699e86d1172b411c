"""How far workers on streams are, as anybody can see it from outside."""
