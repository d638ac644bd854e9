"""What a worker is made of; nothing of it is visible from Python."""

from routilux._core.slot import OVERFLOW_RULES as OVERFLOW_RULES
