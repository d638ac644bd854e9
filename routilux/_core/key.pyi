"""Asking for keys; nothing of it is visible to Python."""
