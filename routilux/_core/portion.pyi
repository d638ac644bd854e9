"""What items of a typed slot count for; nothing of it is visible to Python."""
