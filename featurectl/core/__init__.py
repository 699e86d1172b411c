"""What every other room may use, and what imports none of ours: errors, units, types, progress, memory, secrets."""
