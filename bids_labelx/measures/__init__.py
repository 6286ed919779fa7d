"""Connectivity and quality: pure functions of arrays and tables."""
