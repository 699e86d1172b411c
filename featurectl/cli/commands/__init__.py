"""The commands: each parses its options, calls an operation and draws what that returns."""
