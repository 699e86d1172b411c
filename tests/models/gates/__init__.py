"""Tests of what a version is held to."""
