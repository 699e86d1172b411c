"""Topics of every kind: one contract, and what is each kind's own."""
