"""The built-in routines: what most flows need besides logic of their own."""

from typing import TYPE_CHECKING

from routilux.builtin_routines.aggregator import Aggregator
from routilux.builtin_routines.batcher import Batcher
from routilux.builtin_routines.conditional_router import ConditionalRouter
from routilux.builtin_routines.debouncer import Debouncer
from routilux.builtin_routines.filter import Filter
from routilux.builtin_routines.mapper import Mapper
from routilux.builtin_routines.result_extractor import ResultExtractor
from routilux.builtin_routines.retry_handler import RetryHandler
from routilux.builtin_routines.schema_validator import SchemaValidator
from routilux.builtin_routines.splitter import Splitter

if TYPE_CHECKING:
    from routilux.tools.factory import ObjectFactory

# Names of older versions.
DataTransformer = Mapper
DataValidator = SchemaValidator

__all__ = [
    "Aggregator",
    "Batcher",
    "ConditionalRouter",
    "DataTransformer",
    "DataValidator",
    "Debouncer",
    "Filter",
    "Mapper",
    "ResultExtractor",
    "RetryHandler",
    "SchemaValidator",
    "Splitter",
    "register_all_builtins",
]

# Name in the factory -> (class, category, tags).
CATALOG = {
    "aggregator": (Aggregator, "control_flow", ("join", "merge")),
    "batcher": (Batcher, "control_flow", ("batch", "time")),
    "conditional_router": (ConditionalRouter, "control_flow", ("route", "branch")),
    "debouncer": (Debouncer, "control_flow", ("debounce", "time")),
    "filter": (Filter, "data_processing", ("filter", "condition")),
    "mapper": (Mapper, "data_processing", ("map", "transform")),
    "data_transformer": (Mapper, "data_processing", ("map", "transform")),
    "result_extractor": (ResultExtractor, "text_processing", ("extract", "parse")),
    "retry_handler": (RetryHandler, "reliability", ("retry", "backoff")),
    "schema_validator": (SchemaValidator, "data_processing", ("validate", "schema")),
    "data_validator": (SchemaValidator, "data_processing", ("validate", "schema")),
    "splitter": (Splitter, "control_flow", ("split", "fan-out")),
}


def register_all_builtins(factory: "ObjectFactory | None" = None) -> None:
    """Enter the built-in routines into a factory, under twelve names.

    The names are those of the classes in snake case, and `data_transformer` and
    `data_validator`. A name that is taken by the same class already is left alone.

    Args:
        factory: The factory; None for the global one, which has them from the start.
    """
    from routilux.tools.factory import ObjectFactory, ObjectMetadata

    target = ObjectFactory.get_instance() if factory is None else factory
    for name, (cls, category, tags) in CATALOG.items():
        if target.has(name, cls):
            continue
        example = {
            key: setting.default
            for key, setting in cls.settings.items()
            if setting.default not in (None, [], {})
        }
        summary = (cls.__doc__ or "").partition("\n")[0]
        metadata = ObjectMetadata(
            name=name,
            description=summary,
            category=category,
            tags=list(tags),
            example_config=example,
            docstring=cls.__doc__ or "",
        )
        target.register(name, cls, description=summary, metadata=metadata)
