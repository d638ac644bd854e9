# Dead letters: what of an activation that failed for good goes to a slot of its own.

from routilux._core.routine cimport Node
from routilux._core.worker cimport WorkerCore, activation_t

# The items of an activation with slot and job, while its jobs are held open; None where
# no letters are to be written. No lock held.
cdef list letters_of(WorkerCore worker, activation_t* act)
# Of the slot_data that a policy in Python made, the items of a slot, as far as logic has
# left them there; of a typed slot an array.
cdef list left_in(dict data, Node node, int s)
# Posts a letter for each of them.
cdef int send_letters(WorkerCore worker, Node node, list letters, object error) except -1

# Letters enter like posts, which this file may not know: entry gives the way.
ctypedef int (*enter_letter_t)(WorkerCore worker, object letter) except -1
cdef void set_enter_letter(enter_letter_t enter) noexcept
