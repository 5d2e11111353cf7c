"""Whole nights in seconds: the real engine, a clock that jumps, a bad provider."""
