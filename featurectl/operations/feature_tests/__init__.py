"""Unit tests of features: rows of sources in, values of features out; no store, no registry."""
