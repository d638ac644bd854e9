"""The core's view of a flow: names are resolved here, once, and never again.

`Flow` builds a Plan when its first worker starts; every worker of the flow shares it.
All that the hot path needs to know of a routine (its calling style, its policy, the
index of each slot and event) is a field here, so that no dict of names, no signature
and no isinstance is looked at while events run.
"""

from types import MethodType

cimport cython
from libc.stdlib cimport free, malloc

from routilux._core.status cimport (
    FORM_ASYNC_GENERATOR,
    FORM_COROUTINE,
    FORM_FUNCTION,
    FORM_GENERATOR,
    POLICY_ALL_READY,
    POLICY_IMMEDIATE,
    POLICY_KEYED,
    POLICY_NONE,
)
from routilux._core.activation cimport Policy, policy_template


def logic_style(logic):
    """Tell how a logic wants to be called, from its signature.

    Returns:
        ``(by_slot, keywords)``: ``by_slot`` is False for ``logic(slot_data,
        policy_message, worker_state)`` and True for one positional list per slot;
        ``keywords`` are those of "policy_message" and "worker_state" that it accepts.
    """
    import inspect          # here: a third of the import time of the package

    both = ("policy_message", "worker_state")
    try:
        parameters = list(inspect.signature(logic).parameters.values())
    except (TypeError, ValueError):
        return False, both
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if positional and positional[0].name == "slot_data":
        return False, both
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return True, both
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return True, tuple(name for name in both if name in names)


cdef bint is_coroutine_function(logic) except -1:
    import inspect

    return inspect.iscoroutinefunction(logic)


cdef tuple YIELDING = (FORM_GENERATOR, FORM_ASYNC_GENERATOR)


cdef int function_form(function) except -1:
    # How the values come out of a function; an object is as its __call__ is.
    import inspect

    call = getattr(type(function), "__call__", None)
    for form, test in (
        (FORM_ASYNC_GENERATOR, inspect.isasyncgenfunction),
        (FORM_COROUTINE, inspect.iscoroutinefunction),
        (FORM_GENERATOR, inspect.isgeneratorfunction),
    ):
        if test(function) or test(call):
            return form
    return FORM_FUNCTION


@cython.final
cdef class Node:
    def __dealloc__(self):
        free(self.label_at)

    def __init__(self, int index, str routine_id, routine, int rank, handler):
        cdef Policy policy
        self.index = index
        self.rank = rank
        self.routine_id = routine_id
        self.routine = routine
        self.logic = routine._logic
        if self.logic is None:
            self.logic = getattr(routine, "logic", None)
        self.function = <PyObject*>self.logic
        if type(self.logic) is MethodType:
            self.function = <PyObject*>self.logic.__func__
            self.bound = <PyObject*>self.logic.__self__
        self.policy = routine._activation_policy
        if not isinstance(self.policy, Policy):
            flusher = getattr(self.policy, "flush", None)
            self.flusher = flusher if callable(flusher) else None
        self.handler = handler
        self.slots = tuple(routine._slots.values())
        self.slot_names = tuple(routine._slots)
        self.slot_index = {name: i for i, name in enumerate(self.slot_names)}
        self.slot_name = <PyObject*>self.slot_names[0] if self.slot_names else NULL
        self.event_names = tuple(routine._events)
        self.event_name = <PyObject*>self.event_names[0] if self.event_names else NULL
        self.event_index = {name: i for i, name in enumerate(self.event_names)}
        self.labels = tuple(
            f"slot {name!r} of routine {routine_id!r}" for name in self.slot_names
        )
        self.label_at = <PyObject**>malloc((len(self.labels) + 1) * sizeof(PyObject*))
        if self.label_at == NULL:
            raise MemoryError()
        for i, label in enumerate(self.labels):
            self.label_at[<int>i] = <PyObject*>label
        self.concurrency = routine._concurrency
        self.key = routine._concurrency_key
        self.timeout = routine._timeout
        policy_template(self.policy, &self.template)
        if self.key is not None and self.template.kind == POLICY_IMMEDIATE:
            self.template.kind = POLICY_KEYED
        self.message = self.partial_message = {}
        if isinstance(self.policy, Policy):
            policy = self.policy
            self.message = policy.message(False)
            self.partial_message = policy.message(True)
        if self.logic is None or not self.slots:
            self.template.kind = POLICY_NONE
        else:
            style = routine._logic_style
            self.by_slot, self.keywords = style or logic_style(self.logic)
            if routine._is_function:
                self.form = function_form(self.logic)
            self.is_async = self.form >= FORM_COROUTINE or is_coroutine_function(self.logic)

    def why(self):
        """Say what the policy waits for when no flush moves it, for messages."""
        if self.template.kind == POLICY_ALL_READY:
            return "all_slots_ready waits for an item in every slot"
        return "its policy has not activated it"


@cython.final
cdef class Plan:
    """The frozen shape of a flow.

    Args:
        flow_id: the flow's id.
        routines: ``(routine_id, routine)`` pairs.
        connections: ``(source index, event name, target index, slot name)``, in the
            order of connecting.
        ranks: per routine, its distance from the sources of the flow.
        handlers: per routine, the ErrorHandler in force or None.
        letters: ``(routine_id, slot name)`` of the dead letters, or None.
    """

    def __init__(
        self,
        str flow_id,
        list routines,
        list connections,
        list ranks,
        list handlers,
        letters=None,
    ):
        self.flow_id = flow_id
        self.nodes = tuple(
            Node(i, routine_id, routine, ranks[i], handlers[i])
            for i, (routine_id, routine) in enumerate(routines)
        )
        self.index = {routine_id: i for i, (routine_id, _) in enumerate(routines)}
        if any((<Node>node).form in YIELDING for node in self.nodes):
            for node in self.nodes:
                (<Node>node).gathers = True
        self.by_routine = {id(routine): i for i, (_, routine) in enumerate(routines)}
        nodes = self.nodes
        self.edges = tuple(
            (
                source,
                (<Node>nodes[source]).event_index[event],
                target,
                (<Node>nodes[target]).slot_index[slot],
            )
            for source, event, target, slot in connections
        )
        self.letter_cell = self.letter_slot = -1
        if letters is not None:
            self.letter_cell = self.index[letters[0]]
            self.letter_slot = (<Node>nodes[self.letter_cell]).slot_index[letters[1]]
        self.n_slots = sum(len((<Node>node).slots) for node in nodes)
        self.n_events = sum(len((<Node>node).event_index) for node in nodes)
