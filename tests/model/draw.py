"""Draws random programs from anything that draws like `random.Random`.

From a `random.Random(seed)` a program is drawn in no time and its seed names it; from
hypothesis' `randoms()` it shrinks. Programs end by construction: what an item may cause
is bounded by its fuel, and nothing blocks that only a post could free, since a drawn
program posts from one thread.
"""

from dataclasses import replace

from program import Handler, Program, Routine, Slot

OVERFLOWS = ("block", "block", "block", "error", "drop_oldest", "drop_newest")
POLICIES = (
    *["immediate"] * 9,
    *["batch"] * 4,
    *["all_slots_ready"] * 2,
    *["custom", "latest", "peek", "interval", "none"],
)


def draw_program(rng):
    """Draw a program with everything in it."""
    count = rng.randint(1, 6)
    routines = tuple(draw_routine(rng) for _ in range(count))
    edges = draw_edges(rng, routines, cycles=rng.random() < 0.4)
    workers = rng.choice((1, 1, 1, 2, 3))
    return Program(
        seed=rng.randrange(1 << 30),
        routines=routines,
        edges=edges,
        steps=draw_steps(rng, routines, workers),
        workers=workers,
        pool=rng.randint(1, 4),
        max_queue_size=rng.choice((1, 2, 5, 1000)),
        handler=draw_handler(rng) if rng.random() < 0.3 else None,
    )


def draw_load(rng):
    """Draw a program for threads, of which only the books can be balanced."""
    program = draw_program(rng)
    routines = tuple(
        replace(spec, policy="immediate", compiled=True)
        if spec.policy in ("latest", "peek")
        else spec
        for spec in program.routines
    )
    return replace(program, routines=routines)


def draw_determined(rng):
    """Draw a program that gives every routine the same for any timing."""
    routines, edges, free, sources = [], [], [], []
    for index in range(rng.randint(1, 7)):
        n_slots = 2 if index and rng.random() < 0.35 else 1
        policy = rng.choice(
            ("immediate", "immediate", "batch", "all_slots_ready")[n_slots * 2 - 2 :]
        )
        size = rng.randint(1, 4) if policy == "batch" else 1
        roomy = policy == "all_slots_ready" or n_slots > 1
        bound = 10_000 if roomy else size - 1 + rng.choice((1, 1, 2, 5, 1000))
        for slot in range(n_slots):
            if free and rng.random() < 0.8:
                edges.append((*rng.choice(free), index, slot))
            else:
                sources.append((index, slot))
        retries = rng.randint(0, 2)
        handlers = (Handler("continue"), Handler("skip"), Handler("retry", retries))
        routines.append(
            Routine(
                policy,
                (Slot(bound, "block"),) * n_slots,
                events=rng.choice((1, 1, 2)),
                size=size,
                compiled=policy == "batch" or rng.random() < 0.9,
                handler=rng.choice(handlers),
                fails=rng.choice((0, 0, 20)),
                patience=retries,
                fatal=False,
                width=rng.choice((1, 2, 3, 6)),
            )
        )
        free += [(index, event) for event in range(routines[-1].events)]
    workers = rng.choice((1, 1, 2))
    steps = [
        ("post", rng.randrange(workers), *place, rng.choice((3, 8, 40)), None, True)
        for place in rng.choices(sources, k=rng.randint(1, 25))
    ]
    return Program(
        rng.randrange(1 << 30),
        tuple(routines),
        tuple(edges),
        tuple(steps),
        workers,
        rng.randint(1, 4),
        rng.choice((1, 3, 1000)),
    )


def draw_independent(rng):
    """Draw a program in which every job causes the same for any timing."""
    cycles = rng.random() < 0.5
    routines = []
    for _ in range(rng.randint(1, 6)):
        bound = 1000 if cycles else rng.choice((1, 2, 5, 1000))
        spec = Routine(
            "immediate",
            (Slot(bound, "block"),) * rng.choice((1, 1, 2)),
            events=rng.choice((0, 1, 1, 2)),
            limit=rng.choice((1, 1, 2, 0)),
            handler=draw_handler(rng) if rng.random() < 0.4 else None,
            fails=rng.choice((0, 0, 5, 20)),
            width=rng.choice((1, 2, 3, 6)),
        )
        routines.append(spec)
    edges = draw_edges(rng, routines, cycles=cycles)
    workers = rng.choice((1, 1, 2))
    steps = []
    for number in range(rng.randint(1, 25)):
        routine = rng.randrange(len(routines))
        slot = rng.randrange(len(routines[routine].slots))
        worker, fuel = rng.randrange(workers), rng.choice((1, 3, 8, 40))
        steps.append(("post", worker, routine, slot, fuel, None, True))
        if rng.random() < 0.1:
            steps.append(("cancel", rng.randrange(number + 1)))
    return Program(
        rng.randrange(1 << 30),
        tuple(routines),
        edges,
        tuple(steps),
        workers,
        rng.randint(1, 4),
        rng.choice((1, 3, 1000)),
        draw_handler(rng) if rng.random() < 0.2 else None,
    )


def draw_handler(rng):
    return Handler(
        rng.choice(("stop", "continue", "skip", "retry", "retry")), rng.randint(0, 3)
    )


def draw_routine(rng):
    policy = rng.choice(POLICIES)
    n_slots = 2 if rng.random() < 0.3 and policy != "peek" else 1
    size = rng.randint(1, 4) if policy in ("batch", "custom") else 1
    compiled = policy not in ("latest", "peek")
    if policy in ("immediate", "all_slots_ready", "batch") and rng.random() < 0.1:
        compiled = False
    wait = 0.0
    if policy == "interval" or (policy == "batch" and compiled and rng.random() < 0.1):
        wait = 0.001
    slots = tuple(
        draw_slot(rng, policy, n_slots, size, compiled) for _ in range(n_slots)
    )
    return Routine(
        policy=policy,
        slots=slots,
        events=rng.choice((0, 1, 1, 1, 2)),
        size=size,
        wait=wait,
        compiled=compiled,
        limit=rng.choice((1, 1, 1, 1, 2, 0)),
        handler=draw_handler(rng) if rng.random() < 0.3 else None,
        fails=rng.choice((0, 0, 0, 10, 40)),
        tricks=rng.choice((0, 0, 0, 20)),
        width=rng.choice((1, 2, 3, 6)),
    )


def draw_slot(rng, policy, n_slots, size, compiled):
    overflow = rng.choice(OVERFLOWS)
    bound = size - 1 + rng.choice((1, 1, 2, 3, 5, 1000))
    waits_for_posts = policy in ("all_slots_ready", "custom") or (
        policy in ("batch", "peek") and (n_slots > 1 or not compiled)
    )
    if overflow == "block" and waits_for_posts:
        bound = 1000
    return Slot(max(bound, size), overflow)


def draw_edges(rng, routines, *, cycles):
    edges = []
    for source, spec in enumerate(routines):
        for event in range(spec.events):
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                low = 0 if cycles and rng.random() < 0.3 else source + 1
                if low >= len(routines):
                    continue
                target = rng.randrange(low, len(routines))
                slot = rng.randrange(len(routines[target].slots))
                if (source, event, target, slot) not in edges:
                    edges.append((source, event, target, slot))
    return tuple(edges)


def draw_steps(rng, routines, workers):
    steps, posts = [], []
    for number in range(rng.randint(2, 30)):
        dice = rng.random()
        if dice < 0.72 or not posts:
            routine = 0 if rng.random() < 0.6 else rng.randrange(len(routines))
            slot = rng.randrange(len(routines[routine].slots))
            join = rng.choice(posts) if posts and rng.random() < 0.15 else None
            fuel = rng.choice((1, 3, 8, 20))
            block = rng.random() < 0.8
            worker = rng.randrange(workers)
            steps.append(("post", worker, routine, slot, fuel, join, block))
            posts.append(number)
        elif dice < 0.80:
            steps.append(("cancel", rng.choice(posts)))
        elif dice < 0.86:
            steps.append(("flush",))
        elif dice < 0.94:
            steps.append(("wait",))
        else:
            steps.append(("wait_job", rng.choice(posts)))
    if rng.random() < 0.8:
        steps.append(("wait",))
    steps.append(("shutdown", rng.random() < 0.1))
    return tuple(steps)
