"""Measuring: what the core tells its meters and its flight recorder."""
