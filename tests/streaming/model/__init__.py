"""A simulation of how events become features: every step of workers, compactors, readers and stores in any order."""
