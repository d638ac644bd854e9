/* Fails allocations of routilux's compiled modules, and of nothing else.

   Every shared object calls malloc and its like through a table of addresses of its
   own; `patch` writes our functions into the tables of the modules whose path has
   `part` in it. While switched on, they count the calls, and fail the n-th. */

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_ADDRESS(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#elif defined(__aarch64__)
#define IS_ADDRESS(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#else
#error "unknown kind of relocation"
#endif

extern void *PyThread_allocate_lock(void);

static atomic_long counted;     /* calls since it was switched on */
static atomic_long failed;
static atomic_long wanted = -1; /* the one to fail; -1: switched off */
static atomic_int goes_on;      /* those after it fail too, on its thread */
static atomic_int round_number;
static _Thread_local int starved_in;    /* the round in which this thread hit it */

static int fails(void)
{
    long target = atomic_load(&wanted);
    if (target < 0) return 0;
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (number == target) {
        if (atomic_load(&goes_on)) starved_in = atomic_load(&round_number);
    } else if (starved_in != atomic_load(&round_number))
        return 0;
    atomic_fetch_add(&failed, 1);
    errno = ENOMEM;
    return 1;
}

static void *poor_malloc(size_t size) { return fails() ? NULL : malloc(size); }

static void *poor_calloc(size_t n, size_t size)
{
    return fails() ? NULL : calloc(n, size);
}

static void *poor_realloc(void *block, size_t size)
{
    return fails() ? NULL : realloc(block, size);
}

static void *poor_lock(void)
{
    return fails() ? NULL : PyThread_allocate_lock();
}

static const struct { const char *name; void *function; } POOR[] = {
    {"malloc", (void *)poor_malloc},
    {"calloc", (void *)poor_calloc},
    {"realloc", (void *)poor_realloc},
    {"PyThread_allocate_lock", (void *)poor_lock},
};

static void replace(uintptr_t at, void *function)
{
    uintptr_t page = at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    mprotect((void *)page, at + sizeof(void *) - page, PROT_READ | PROT_WRITE);
    *(void **)at = function;
}

struct patching { const char *part; int patched; };

static int patch_one(struct dl_phdr_info *info, size_t size, void *data)
{
    struct patching *patching = data;
    const ElfW(Dyn) *dynamic = NULL;
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    uintptr_t tables[2] = {0, 0};
    size_t sizes[2] = {0, 0};
    (void)size;
    if (strstr(info->dlpi_name, patching->part) == NULL) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t value = dynamic->d_un.d_val;
        uintptr_t address = value < info->dlpi_addr ? info->dlpi_addr + value : value;
        switch (dynamic->d_tag) {
        case DT_SYMTAB: symbols = (void *)address; break;
        case DT_STRTAB: names = (void *)address; break;
        case DT_JMPREL: tables[0] = address; break;
        case DT_PLTRELSZ: sizes[0] = value; break;
        case DT_RELA: tables[1] = address; break;
        case DT_RELASZ: sizes[1] = value; break;
        }
    }
    if (symbols == NULL || names == NULL) return 0;
    for (int t = 0; t < 2; t++) {
        const ElfW(Rela) *table = (void *)tables[t];
        for (size_t i = 0; tables[t] && i < sizes[t] / sizeof *table; i++) {
            if (!IS_ADDRESS(ELF64_R_TYPE(table[i].r_info))) continue;
            const char *name = names + symbols[ELF64_R_SYM(table[i].r_info)].st_name;
            for (size_t k = 0; k < sizeof POOR / sizeof *POOR; k++)
                if (strcmp(name, POOR[k].name) == 0) {
                    replace(info->dlpi_addr + table[i].r_offset, POOR[k].function);
                    patching->patched++;
                }
        }
    }
    return 0;
}

/* How many addresses were replaced. */
int patch(const char *part)
{
    struct patching patching = {part, 0};
    dl_iterate_phdr(patch_one, &patching);
    return patching.patched;
}

void switch_on(long n, int and_after)
{
    atomic_fetch_add(&round_number, 1);
    atomic_store(&counted, 0);
    atomic_store(&failed, 0);
    atomic_store(&goes_on, and_after);
    atomic_store(&wanted, n);
}

/* How many calls failed. */
long switch_off(void)
{
    atomic_store(&wanted, -1);
    return atomic_load(&failed);
}
