/* The lines of a trace file, in the event format of Chrome and Perfetto. Each function
 * appends a line to a buffer that has room for it and returns its new end. Names are JSON
 * strings with their quotes; times are nanoseconds since the trace began. */
#ifndef ROUTILUX_TRACE_H
#define ROUTILUX_TRACE_H

#include <stdint.h>
#include <string.h>

#define RLX_LINE 768         /* what a record needs at most, names not counted */

static inline char *rlx_put(char *p, const char *text) {
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

static inline char *rlx_put_number(char *p, uint64_t value, int digits) {
    char reversed[24];
    int n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value || n < digits);
    while (n) *p++ = reversed[--n];
    return p;
}

static inline char *rlx_put_hex(char *p, uint64_t value, int digits) {
    char reversed[24];
    int n = 0;
    do {
        reversed[n++] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value || n < digits);
    while (n) *p++ = reversed[--n];
    return p;
}

static inline char *rlx_put_us(char *p, int64_t ns) {
    if (ns < 0) ns = 0;
    p = rlx_put_number(p, (uint64_t)ns / 1000, 1);
    *p++ = '.';
    return rlx_put_number(p, (uint64_t)ns % 1000, 3);
}

static inline char *rlx_head(char *p, const char *phase, int thread, int64_t at) {
    p = rlx_put(p, ",\n{\"ph\":\"");
    p = rlx_put(p, phase);
    p = rlx_put(p, "\",\"pid\":1,\"tid\":");
    p = rlx_put_number(p, (uint64_t)thread, 1);
    p = rlx_put(p, ",\"ts\":");
    return rlx_put_us(p, at);
}

/* Perfetto draws an arrow only if its id is a number of 64 bits, in hexadecimal. */
static inline char *rlx_put_item(char *p, uint64_t item) {
    p = rlx_put(p, ",\"id\":\"0x");
    p = rlx_put_hex(p, item, 1);
    *p++ = '"';
    return p;
}

static inline char *rlx_flow_begin(char *p, int thread, int64_t at, uint64_t item) {
    p = rlx_head(p, "s", thread, at);
    p = rlx_put(p, ",\"cat\":\"item\",\"name\":\"item\"");
    p = rlx_put_item(p, item);
    return rlx_put(p, "}");
}

static inline char *rlx_flow_end(char *p, int thread, int64_t at, uint64_t item) {
    p = rlx_head(p, "f", thread, at);
    p = rlx_put(p, ",\"bp\":\"e\",\"cat\":\"item\",\"name\":\"item\"");
    p = rlx_put_item(p, item);
    return rlx_put(p, "}");
}

static inline char *rlx_put_job(char *p, const char *prefix, uint64_t job) {
    if (job == 0) return rlx_put(p, ",\"args\":{}}");
    p = rlx_put(p, ",\"args\":{\"job\":\"");
    p = rlx_put(p, prefix);
    p = rlx_put_hex(p, job, 6);
    return rlx_put(p, "\"}}");
}

static inline char *rlx_slice(
    char *p, int thread, int64_t at, int64_t lasted, const char *category,
    const char *name, const char *prefix, uint64_t job
) {
    p = rlx_head(p, "X", thread, at);
    p = rlx_put(p, ",\"dur\":");
    p = rlx_put_us(p, lasted);
    p = rlx_put(p, ",\"cat\":");
    p = rlx_put(p, category);
    p = rlx_put(p, ",\"name\":");
    p = rlx_put(p, name);
    return rlx_put_job(p, prefix, job);
}

/* Async logic begins on one thread and ends on another: a track of its own. */
static inline char *rlx_apart(
    char *p, const char *phase, int thread, int64_t at, const char *name, uint64_t item,
    const char *prefix, uint64_t job
) {
    p = rlx_head(p, phase, thread, at);
    p = rlx_put(p, ",\"cat\":\"async\",\"name\":");
    p = rlx_put(p, name);
    p = rlx_put_item(p, item);
    return rlx_put_job(p, prefix, job);
}

static inline char *rlx_instant(
    char *p, int thread, int64_t at, const char *name, const char *prefix, uint64_t job
) {
    p = rlx_head(p, "i", thread, at);
    p = rlx_put(p, ",\"s\":\"t\",\"name\":");
    p = rlx_put(p, name);
    return rlx_put_job(p, prefix, job);
}

static inline char *rlx_counter(
    char *p, int64_t at, const char *name, int track, int64_t value
) {
    p = rlx_head(p, "C", 0, at);
    p = rlx_put(p, ",\"name\":");
    p = rlx_put(p, name);
    p = rlx_put(p, ",\"id\":\"");
    p = rlx_put_hex(p, (uint64_t)track, 1);
    p = rlx_put(p, "\",\"args\":{\"queued\":");
    p = rlx_put_number(p, (uint64_t)(value < 0 ? 0 : value), 1);
    return rlx_put(p, "}}");
}
#endif
