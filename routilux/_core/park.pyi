"""Parking; nothing of it is visible to Python."""
