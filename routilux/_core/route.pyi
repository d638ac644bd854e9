"""Delivery into slots; nothing of it is visible from Python."""
