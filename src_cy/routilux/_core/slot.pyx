"""The slot: what a routine declares, and the window that anybody gets on one queue.

Made by Routine.add_slot, and by view for the queue of a running worker. Its methods may
be called from any thread; each takes the lock of the queue for as long as it moves an
item. A slot that no worker runs queues by itself.
"""

import sys

from routilux._core.platform cimport (
    rlx_incref,
    rlx_lock,
    rlx_unlock,
    rlx_wall_ns,
    rlx_xdecref,
)
from routilux._core.failure cimport instant, moment
from routilux._core.job cimport owner_t
from routilux._core.block cimport Block
from routilux._core.block cimport parcel_add, parcel_begin, parcel_join, parcel_room, parcel_t
from routilux._core.segment cimport new_typed, peek_array, peek_segments
from routilux._core.segment cimport segment_cut, segment_put, segment_room

from routilux.arguments import check_length
from routilux.errors import SlotQueueFullError

# Of free-standing slots: orders what several of them hold, and tells when it came.
cdef uint64_t ARRIVALS = 0
cdef rlx_lock_t ARRIVALS_LOCK    # protects it; innermost

OVERFLOW_RULES = ("block", "error", "drop_oldest", "drop_newest")


cdef int check_event(event) except -1:
    # Event is further down the road: it can't be imported here.
    if not isinstance(getattr(event, "connected_slots", None), list):
        raise TypeError(f"event must be an Event, not {event!r}")
    return 0


cdef class Slot:
    """A named, bounded FIFO queue of a routine.

    Made by :meth:`Routine.add_slot`. Each worker has a queue of its own for every slot;
    a policy is given views of its worker's queues, and ``worker.get_slot(routine_id,
    name)`` returns one. Used without a worker, a Slot queues by itself.

    Args:
        name: the slot's name within its routine.
        routine: the routine that it belongs to, or None.
        max_queue_length: items that fit, at least 1.
        watermark: share of max_queue_length above which the pressure is "high".
        overflow: what happens to an item that does not fit: "block", "error",
            "drop_oldest" or "drop_newest".
        timestamps: keep when each item came and from whom; a slot without a worker and
            the slots of a routine with a policy of your own always do.
        dtype: numpy dtype of its items: a typed slot, which gives arrays, not lists.
        shape: shape of one item of a typed slot; None: a scalar.

    Example:
        >>> slot = Slot("input")
        >>> slot.enqueue({"x": 1})
        >>> slot.consume_all_new()
        [{'x': 1}]
    """

    def __cinit__(self, *args, **kwargs):
        self.queue = &self.own
        self.lock = &self.own_lock

    def __init__(
        self,
        name,
        routine=None,
        max_queue_length=1000,
        watermark=0.8,
        *,
        overflow="block",
        timestamps=False,
        dtype=None,
        shape=None,
    ):
        if not isinstance(name, str) or not name:
            raise ValueError(f"a slot's name must be a non-empty string, not {name!r}")
        check_length("max_queue_length", max_queue_length)
        if isinstance(watermark, bool) or not isinstance(watermark, (int, float)):
            raise TypeError(f"watermark must be a number, not {watermark!r}")
        if not 0.0 <= watermark <= 1.0:
            raise ValueError(f"watermark must be between 0 and 1, not {watermark!r}")
        if overflow not in OVERFLOW_RULES:
            raise ValueError(
                f"overflow must be one of {', '.join(OVERFLOW_RULES)}, not {overflow!r}"
            )
        self.name = str(name)
        self.routine = routine
        self.max_queue_length = max_queue_length
        self.watermark = watermark
        self.overflow = overflow
        self.timestamps = timestamps
        self.connected_events = []
        self.own.bound = max_queue_length
        if dtype is not None or shape is not None:
            from routilux._core.typed import layout_of      # imports numpy

            self.layout = layout_of(dtype, shape, self.name)
            self.own.typed = new_typed(self.layout)

    def __dealloc__(self):
        slot_free(&self.own)

    cdef int pop_c(self, PyObject** item) except -1:
        # Takes the oldest item: 1, or 0 when there is none. The reference moves.
        cdef entry_t entry
        cdef int got = 0
        rlx_lock(self.lock)
        if self.queue.size:
            slot_take(self.queue, &entry)
            item[0] = entry.item
            got = 1
        rlx_unlock(self.lock)
        if got and self.emitted is not None:
            self.emitted.pop(entry.stamp, None)
        return got

    cdef int cut_c(self, Py_ssize_t n, part_t* part) except -1:
        cdef owner_t* owner
        cdef uint64_t stamp
        cdef int got = 0
        rlx_lock(self.lock)
        if self.queue.size:
            got = 1
            segment_cut(self.queue.typed, n, part, &owner, &stamp)
            self.queue.size -= part.n
        rlx_unlock(self.lock)
        if got and self.emitted is not None:
            self.emitted.pop(stamp, None)
        return got

    cdef uint64_t head_stamp(self):
        cdef uint64_t stamp = 0
        rlx_lock(self.lock)
        if self.queue.size:
            stamp = oldest_stamp_of(self.queue)
        rlx_unlock(self.lock)
        return stamp

    cdef bint look(self, Py_ssize_t i, entry_t* entry, PyObject** source) noexcept:
        # Copies the i-th queued entry, with a new reference of its item. False: none.
        cdef bint got
        rlx_lock(self.lock)
        got = i < self.queue.size
        if got:
            entry[0] = slot_at(self.queue, i)[0]
            source[0] = NULL
            if self.queue.sources != NULL:
                source[0] = self.queue.sources[
                    (self.queue.head + i) & (self.queue.cap - 1)
                ]
            rlx_incref(entry.item)
        rlx_unlock(self.lock)
        return got

    cdef int64_t arrived(self, uint64_t stamp):
        return <int64_t>stamp

    def enqueue(self, data, emitted_from="", emitted_at=None):
        """Append ``data``; SlotQueueFullError when the queue is full.

        Args:
            data: any object.
            emitted_from: id of the routine that it comes from.
            emitted_at: when that emitted it, a datetime; None: now.
        """
        global ARRIVALS
        cdef int result = -1             # no memory
        cdef bint full
        cdef uint64_t now = <uint64_t>rlx_wall_ns()
        cdef Block block = None
        cdef part_t part
        given = None
        if self.layout is not None:
            data = block = self.layout.block_of_item(data, f"slot {self.name!r}", None)
            block.next_part(1, &part)
        if emitted_from or emitted_at is not None:
            given = (str(emitted_from), moment(instant(emitted_at)))
        rlx_lock(self.lock)
        full = not slot_has_room(self.queue)
        if not full:
            rlx_lock(&ARRIVALS_LOCK)
            ARRIVALS = now = max(now, ARRIVALS + 1)
            rlx_unlock(&ARRIVALS_LOCK)
            if block is None:
                result = slot_put(self.queue, <PyObject*>data, NULL, now)
                if result == 0:
                    rlx_incref(<PyObject*>data)
            elif segment_room(self.queue.typed) == 0:
                result = segment_put(self.queue.typed, &part, NULL, now, NULL)
                self.queue.size += result == 0
                self.queue.n_put += result == 0
        rlx_unlock(self.lock)
        if full:
            raise SlotQueueFullError(
                f"Slot '{self.name}' queue is full (max={self.max_queue_length})"
            )
        if result < 0:
            raise MemoryError()
        if given is not None:
            if self.emitted is None:
                self.emitted = {}
            self.emitted[now] = given

    def consume_one_new(self):
        """Take the oldest item out and return it, None when the queue is empty."""
        items = self.take(1)
        return items[0] if len(items) else None

    def consume_all_new(self):
        """Take all items out and return them, oldest first, like :meth:`take`."""
        return self.take(self.get_unconsumed_count())

    def consume_all(self):
        """The same as :meth:`consume_all_new`: consumed items are not kept."""
        return self.consume_all_new()

    def consume_latest_and_mark_all_consumed(self):
        """Take all items out and return the newest, None when there is none."""
        items = self.consume_all_new()
        return items[len(items) - 1] if len(items) else None

    def take(self, count):
        """Take up to ``count`` items out, oldest first: a list, or a read-only array."""
        if not hasattr(type(count), "__index__"):
            raise TypeError(f"count must be an int, not {count!r}")
        cdef list items = []
        cdef PyObject* item = NULL
        cdef Py_ssize_t left = max(0, min(count, sys.maxsize))
        cdef parcel_t parcel
        cdef part_t part
        if self.layout is not None:
            parcel_begin(&parcel)
            try:
                while left > 0 and parcel_room(&parcel, 1) == 0 and self.cut_c(left, &part):
                    parcel_add(&parcel, &part)
                    left -= part.n
            except MemoryError:
                parcel.poor = True
            return parcel_join(&parcel, self.layout)
        while left > 0 and self.pop_c(&item):
            items.append(<object>item)
            rlx_xdecref(item)
            left -= 1
        return items

    def peek_all_new(self):
        """Return the queued items, oldest first, and leave them queued."""
        cdef list items = []
        cdef entry_t entry
        cdef PyObject* source
        if self.layout is not None:
            return peek_array(self.queue.typed, self.lock)
        while self.look(len(items), &entry, &source):
            items.append(<object>entry.item)
            rlx_xdecref(entry.item)
        return items

    def peek_points(self):
        """Return the queued items as `SlotDataPoint`, with when and whence they came.

        What was not kept is None, or "" for whence; see ``timestamps``.
        """
        from routilux.data_point import SlotDataPoint   # here: dataclasses are slow to import

        cdef list points = []
        cdef entry_t entry
        cdef PyObject* source
        if self.layout is not None:
            for array, stamp, whence in peek_segments(self.queue.typed, self.lock):
                when = moment(self.arrived(stamp))
                known, emitted = (self.emitted or {}).get(stamp, ("", None))
                for item in array:
                    points.append(
                        SlotDataPoint(item, emitted or when, when, None, whence or known)
                    )
            return points
        while self.look(len(points), &entry, &source):
            when = moment(self.arrived(entry.stamp))
            whence, emitted = "", None
            if source != NULL:
                whence = <object>source
            elif self.emitted is not None:
                whence, emitted = self.emitted.get(entry.stamp, ("", None))
            points.append(
                SlotDataPoint(<object>entry.item, emitted or when, when, None, whence)
            )
            rlx_xdecref(entry.item)
        return points

    @property
    def _queue(self):
        """What is queued, for programs that look there: a tuple of `SlotDataPoint`."""
        return tuple(self.peek_points())

    def peek_one_new(self):
        """Return the oldest queued item without taking it, None when there is none."""
        items = self.peek_all_new()
        return items[0] if len(items) else None

    def peek_latest(self):
        """Return the newest queued item without taking it, None when there is none."""
        items = self.peek_all_new()
        return items[len(items) - 1] if len(items) else None

    @property
    def dtype(self):
        """The numpy dtype of a typed slot's items, else None."""
        return None if self.layout is None else self.layout.dtype

    @property
    def shape(self):
        """The shape of one item of a typed slot, else None."""
        return None if self.layout is None else self.layout.shape

    def get_unconsumed_count(self):
        """Return how many items are queued."""
        cdef int64_t put, dropped
        return slot_counts(self.queue, self.lock, &put, &dropped)

    def get_total_count(self):
        """Return how many items were ever accepted."""
        return self.get_queue_status()["total_count"]

    def get_queue_status(self):
        """Return counts and pressure of the queue as a dict."""
        cdef int64_t put, dropped
        cdef Py_ssize_t count = slot_counts(self.queue, self.lock, &put, &dropped)
        usage = <double>count / <double>self.max_queue_length
        if usage >= 1.0:
            level = "critical"
        elif usage >= self.watermark:
            level = "high"
        else:
            level = "medium" if usage >= 0.6 else "low"
        return {
            "unconsumed_count": count,
            "total_count": put,
            "max_length": self.max_queue_length,
            "watermark_threshold": int(self.max_queue_length * self.watermark),
            "usage_percentage": usage,
            "pressure_level": level,
            "is_full": usage >= 1.0,
            "is_near_full": usage >= self.watermark,
            "dropped_count": dropped,
        }

    def get_queue_state(self):
        """Return the counts of the queue and the age of its oldest item as a dict."""
        cdef int64_t put, dropped
        cdef Py_ssize_t count = slot_counts(self.queue, self.lock, &put, &dropped)
        cdef Py_ssize_t total = max(<Py_ssize_t>put, count)
        oldest = moment(self.arrived(self.head_stamp()))
        return {
            "total_count": total,
            "unconsumed_count": count,
            "consumed_count": total - count,
            "max_length": self.max_queue_length,
            "watermark_threshold": int(self.max_queue_length * self.watermark),
            "oldest_unconsumed": None if oldest is None else oldest.isoformat(),
        }

    def connect(self, event):
        """Note that an event leads here; items flow only by `Flow.connect`."""
        check_event(event)
        if event not in self.connected_events:
            self.connected_events.append(event)
        if self not in event.connected_slots:
            event.connected_slots.append(self)

    def disconnect(self, event):
        """Take back what `connect` noted; does nothing if it noted nothing."""
        check_event(event)
        if event in self.connected_events:
            self.connected_events.remove(event)
        if self in event.connected_slots:
            event.connected_slots.remove(self)

    def resize(self, max_queue_length):
        """Change how many items may wait; workers that start from then on have it."""
        if self.queue != &self.own:
            raise RuntimeError(f"slot {self.name!r} belongs to a running worker")
        self.max_queue_length = check_length("max_queue_length", max_queue_length)
        self.own.bound = self.max_queue_length

    def __len__(self):
        return self.get_unconsumed_count()

    def __bool__(self):
        return True

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}: {len(self)} queued>"
