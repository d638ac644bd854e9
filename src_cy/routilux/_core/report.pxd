# What users and messages are told of a worker: nothing of it is for the core.
