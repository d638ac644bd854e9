"""What a program has to do, where luck has no say: computed without any runtime.

Two kinds of programs leave nothing to threads. In a *determined* flow every slot has
one source, every routine runs one activation at a time and joins by position: what each
routine gets, and in which order, is the same for any timing (a Kahn network). In an
*independent* flow every item is an activation of its own: what a job causes is the same
for any timing, whatever happens around it.
"""

from collections import Counter
from dataclasses import replace

from drive import first_item
from program import Slot, script
from reference import Model

from routilux.graph import topological_ranks


def run_alone(program, rng):
    """Run a determined program on the model, in any order that `rng` likes.

    Returns:
        The model, after its shutdown.
    """
    roomy = tuple(
        replace(spec, slots=tuple(Slot(1 << 60, slot.overflow) for slot in spec.slots))
        for spec in program.routines
    )
    program = replace(program, routines=roomy)
    pairs = [(source, target) for source, _, target, _ in program.edges]
    model = Model(program, topological_ranks(len(roomy), pairs))
    for number, step in enumerate(program.steps):
        _, worker, routine, slot, fuel, _, _ = step
        model.enter(worker, routine, slot, first_item(program, number, fuel))
    work(model, rng)
    model.draining = True
    work(model, rng)
    return model


def work(model, rng):
    """Run all that may run; a partial batch when nothing else moves."""
    model.waits.append(None)
    while True:
        model.settle()
        cells = [c for c in model.cells() if c.retries or model.is_due(c)]
        if not cells:
            break
        cell = rng.choice(cells)
        found = model.slice_of(cell)
        if cell.retries:
            run(model, cell.retries.pop())
        elif found is None:
            model.decline(cell)
        else:
            run(model, model.take(cell, *found))
    model.waits.pop()


def run(model, activation):
    """Run one activation, its logic included."""
    model.note(activation)
    cell, error = activation.cell, None
    for what, *details in script(
        model.program, cell.index, activation.items, activation.attempt
    ):
        if what == "raise":
            error = details[0]
        elif what == "emit":
            event, item, _ = details
            for target, slot in model.program.targets(cell.index, event):
                model.deliver(
                    model.workers[cell.worker][target],
                    slot,
                    item,
                    activation.jobs,
                    activation.newest,
                )
    model.end(activation, error)


def unfold(program, routine, slot, item):
    """Tell what one post causes in an independent flow.

    Returns:
        The activations as a Counter of (routine, key, attempt), and whether one of
        them fails the job.
    """
    found, failed, todo = Counter(), False, [(routine, slot, item)]
    while todo:
        routine, slot, item = todo.pop()
        spec = program.routines[routine]
        handler = spec.handler or program.handler
        given = [[item] if s == slot else [] for s in range(len(spec.slots))]
        for attempt in range(10):
            found[routine, item.key, attempt] += 1
            error = None
            for what, *details in script(program, routine, given, attempt):
                if what == "emit":
                    event, child, _ = details
                    targets = program.targets(routine, event)
                    todo += [(*target, child) for target in targets]
                elif what == "raise":
                    error = details[0]
            if error is None:
                break
            if handler is not None and handler.strategy in ("continue", "skip"):
                break
            retries = handler.retries if handler and handler.strategy == "retry" else 0
            if error != "Boom" or attempt >= retries:
                failed = True
                break
    return found, failed
