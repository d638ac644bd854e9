"""Entry: the compiled half of posting; nothing of it is called from Python."""
