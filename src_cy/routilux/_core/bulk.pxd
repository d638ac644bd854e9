# Post in bulk: many items by one call, a job for each or one job for all.

from routilux._core.post cimport RuntimeCore

# The compiled half of routilux.Runtime, with post_many() beside post().
cdef class BulkCore(RuntimeCore):
    pass
