# What the picture of a runtime is made of: nothing of it is for the core.
