"""Says who holds things up."""

class Stall:
    def __init__(self, patience: float) -> None: ...
