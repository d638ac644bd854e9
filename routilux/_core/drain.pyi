"""Activation check and drain; nothing of it is visible from Python."""
