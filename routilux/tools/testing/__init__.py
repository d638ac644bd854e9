"""What tests of routines need."""

from routilux.tools.testing.routine_tester import RoutineTester

__all__ = ["RoutineTester"]
