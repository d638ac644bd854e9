# Chance that comes from a seed: the same on every machine and every Python. splitmix64,
# because its whole state is one number and any seed will do.

from libc.stdint cimport uint64_t

ctypedef struct chance_t:
    uint64_t state

cdef inline uint64_t mix(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)

cdef inline uint64_t chance_next(chance_t* chance) noexcept nogil:
    chance.state += <uint64_t>0x9E3779B97F4A7C15
    return mix(chance.state)

# 0 <= answer < n, for n up to 2**32.
cdef inline uint64_t chance_below(chance_t* chance, uint64_t n) noexcept nogil:
    return ((chance_next(chance) >> 32) * n) >> 32

cdef inline bint chance_once_in(chance_t* chance, uint64_t n) noexcept nogil:
    return chance_below(chance, n) == 0
