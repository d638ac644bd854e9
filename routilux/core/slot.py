"""Slots under their older import path."""

from routilux._core import Slot
from routilux.data_point import SlotDataPoint
from routilux.errors import SlotQueueFullError

__all__ = [
    "Slot",
    "SlotDataPoint",
    "SlotQueueFullError",
]
