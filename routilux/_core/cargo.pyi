"""What an emit hands over to typed slots."""

from typing import final

@final
class Cargo: ...
