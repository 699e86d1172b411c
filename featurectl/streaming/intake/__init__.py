"""Events that are handed over by a program, one by one or some at a time: checked, sent once, and waited for."""
