"""What logic gets of typed slots; nothing of it is visible to Python."""
