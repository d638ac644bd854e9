"""Routines and flows by name."""

from routilux.tools.factory.cloning import clone_flow, clone_routine
from routilux.tools.factory.factory import ObjectFactory
from routilux.tools.factory.metadata import ObjectMetadata

__all__ = ["ObjectFactory", "ObjectMetadata", "clone_flow", "clone_routine"]
