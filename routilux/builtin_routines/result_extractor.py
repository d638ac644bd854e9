"""ResultExtractor: finds the result in what a model or a program wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from routilux.builtin_routines.configured import ConfiguredRoutine, describe
from routilux.builtin_routines.extractors import (
    EXTRACTORS,
    Extraction,
    Extractor,
    custom_extractor,
    load_yaml,
)
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    callable_value,
    choice,
    flag,
    mapping,
    names,
    number,
    text,
    wrong,
)
from routilux.errors import ConfigurationError, name_hint

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["ResultExtractor"]

LANGUAGES = ["python", "json", "yaml", "xml", "javascript", "bash", "sql"]
# Which key of the configuration turns an extractor on.
SWITCHES = {
    "json_block": "extract_json_blocks",
    "yaml_block": "extract_yaml_blocks",
    "xml_block": "extract_xml_blocks",
    "code_block": "extract_code_blocks",
    "interpreter_output": "format_interpreter_output",
    "json_string": "parse_json_strings",
    "yaml_string": "parse_yaml_strings",
    "nested": "detect_nested_structures",
}


def check_extractors(label: str, value: Any) -> dict[str, dict[str, Any]]:
    """Accept {name: callable} or {name: {function, confidence}}."""
    checked = {}
    for name, part in mapping(label, value).items():
        at = f"{label}: {text(f'each name in {label}', name)!r}"
        if name in EXTRACTORS:
            taken = ", ".join(EXTRACTORS)
            raise ConfigurationError(
                f"{at} is built in, like {taken}; take another name"
            )
        if not isinstance(part, dict):
            part = {"function": part}
        if "function" not in part or not set(part) <= {"function", "confidence"}:
            raise wrong(
                at, 'a callable, or a dict of "function" and "confidence"', part
            )
        confidence = part.get("confidence", 0.8)
        checked[name] = {
            "function": callable_value(at, part["function"]),
            "confidence": number()(f"{at}: confidence", confidence),
        }
    return checked


class ResultExtractor(ConfiguredRoutine):
    """Find the result in a text or a structure.

    Slot `input`. Event `output` (extracted_result, format, metadata, confidence,
    extraction_path). An item that is neither a str, bytes, dict nor list is its own
    result, of the format "object".

    Extractors, in their order: `json_block`, `yaml_block`, `xml_block`, `code_block`
    (fenced blocks), `interpreter_output` (a list of messages with `content`),
    `json_string`, `yaml_string` (a text that is JSON or YAML as a whole), `nested` (a
    result inside of a dict or list), then those of `register_extractor`.

    Configuration:
        strategy: "auto" (the most confident extractor), "priority" (the first of
            `extractor_priority` that finds something, then the others),
            "first_match" (the first of all), or "all" (a list of what all find).
        extractor_priority: Names of extractors.
        extractors: What `register_extractor` adds to; a dict of callables by name, or
            of dicts of `function` and `confidence`.
        extract_json_blocks: Whether fenced JSON is looked for.
        extract_code_blocks: The same for fenced code.
        extract_yaml_blocks: The same for fenced YAML.
        extract_xml_blocks: The same for fenced XML.
        format_interpreter_output: The same for lists of messages.
        parse_json_strings: The same for a text that is JSON as a whole.
        parse_yaml_strings: The same for YAML.
        detect_nested_structures: The same for a result inside of dicts.
        code_block_languages: Languages of fenced blocks that count as code.
        continue_on_error: Go on to the next extractor when one of yours raises; else
            the job fails.
        return_original_on_failure: When nothing is found, emit the data itself, with
            the format "original" and confidence 0; else emit nothing.
        log_errors: Keep what extractors raised, in `metadata["errors"]` and the
            worker's history.

    Example:
        >>> extractor = ResultExtractor()
        >>> extractor.set_config(strategy="first_match", extract_yaml_blocks=True)
    """

    settings: ClassVar[Settings] = {
        "strategy": Setting("auto", choice("auto", "priority", "all", "first_match")),
        "extractor_priority": Setting([], names),
        "extractors": Setting({}, check_extractors),
        "extract_json_blocks": Setting(True, flag),
        "extract_code_blocks": Setting(True, flag),
        "extract_yaml_blocks": Setting(False, flag),
        "extract_xml_blocks": Setting(False, flag),
        "code_block_languages": Setting(LANGUAGES, names),
        "format_interpreter_output": Setting(True, flag),
        "parse_json_strings": Setting(True, flag),
        "parse_yaml_strings": Setting(False, flag),
        "detect_nested_structures": Setting(True, flag),
        "continue_on_error": Setting(True, flag),
        "return_original_on_failure": Setting(True, flag),
        "log_errors": Setting(True, flag),
    }

    _chosen: list[Extractor]

    def _build_ports(self) -> None:
        self.add_slot("input")
        params = ["extracted_result", "format", "metadata", "confidence"]
        self.add_event("output", [*params, "extraction_path"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> list[Extractor]:
        if config["extract_yaml_blocks"] or config["parse_yaml_strings"]:
            load_yaml()
        own = {
            name: custom_extractor(name, part["function"], part["confidence"])
            for name, part in config["extractors"].items()
        }
        known = {**EXTRACTORS, **own}
        for name in config["extractor_priority"]:
            if name not in known:
                hint = name_hint(name, known, "extractors")
                raise ConfigurationError(
                    "ResultExtractor: config 'extractor_priority': there is no"
                    f" extractor {name!r}. {hint}"
                )
        order = list(known)
        if config["strategy"] == "priority":
            order = list(dict.fromkeys([*config["extractor_priority"], *order]))
        return [
            known[name] for name in order if config.get(SWITCHES.get(name, ""), True)
        ]

    def _apply(self, config: dict[str, Any], derived: list[Extractor]) -> None:
        self._chosen = derived

    def register_extractor(
        self, name: str, function: Callable[..., Any], confidence: float = 0.8
    ) -> Self:
        """Add an extractor of your own; returns the routine.

        Args:
            name: Its name, which becomes the format of what it finds.
            function: Gets the data, and the configuration as a second argument, if it
                needs one or names it `config`. Returns what it found, None for nothing,
                or a dict with `result` and any of `format`, `metadata`, `confidence`
                and `path`.
            confidence: For "auto", 0 to 1, unless the function says it.

        Raises:
            ConfigurationError: The name is taken.
            TypeError: The function is not callable.
        """
        if not callable(function):
            raise TypeError(
                f"the extractor {name!r} must be callable, not {function!r}"
            )
        part = {"function": function, "confidence": confidence}
        self.set_config(extractors={**self._config["extractors"], name: part})
        return self

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Emit what was found in the data."""
        errors: list[str] = []
        found = self._extract(data, errors, worker_state)
        if found is None:
            if not self._config["return_original_on_failure"]:
                return
            found = Extraction(data, "original", {}, 0.0, "")
        metadata = dict(found.metadata)
        if errors and self._config["log_errors"]:
            metadata["errors"] = errors
        self.emit(
            "output",
            extracted_result=found.result,
            format=found.format,
            metadata=metadata,
            confidence=found.confidence,
            extraction_path=found.path,
        )

    def _extract(
        self, data: Any, errors: list[str], worker_state: WorkerState
    ) -> Extraction | None:
        if isinstance(data, bytes):
            data = data.decode("utf-8", "replace")
        if not isinstance(data, (str, dict, list)) and not self._config["extractors"]:
            return Extraction(data, "object", {}, 1.0, "")
        strategy = self._config["strategy"]
        found: list[Extraction] = []
        for extractor in self._chosen:
            one = self._try(extractor, data, errors, worker_state)
            if one is None:
                continue
            found.append(one)
            if strategy in ("priority", "first_match"):
                return one
        if not found:
            if isinstance(data, (str, dict, list)):
                return None
            return Extraction(data, "object", {}, 1.0, "")
        if strategy == "auto":
            return max(found, key=lambda one: one.confidence)
        return Extraction(
            [one.result for one in found],
            "all",
            {"formats": [one.format for one in found]},
            max(one.confidence for one in found),
            "",
        )

    def _try(
        self,
        extractor: Extractor,
        data: Any,
        errors: list[str],
        worker_state: WorkerState,
    ) -> Extraction | None:
        try:
            return extractor(data, self._config)
        except Exception as error:
            if not self._config["continue_on_error"]:
                raise
            errors.append(describe(error))
            if self._config["log_errors"]:
                routine_id = worker_state.current_routine_id or ""
                worker_state.record_execution(
                    routine_id, "extractor_error", {"error": describe(error)}
                )
            return None
