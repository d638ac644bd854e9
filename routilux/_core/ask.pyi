"""Asking a Python policy; nothing of it is visible to Python."""
