/* What children of this process would make over and over: a shell's children, say, begin with the same code
 * each time. What they had to make or interpret twice the parent makes for the next ones, which then find it,
 * linked.
 *
 * The family's memory is shared: children note there the blocks that they lacked, the parent takes those that
 * were noted twice. All of it is advice: notes may get lost, and the parent looks at its own code only. */
#include "cache.h"

#include <xemu/own.h>

#include <sys/mman.h>

enum { NOTES = 1 << 12, PROBES = 8, WANTED = 1 << 10, TWICE = 2, COUNT_MASK = 3 };

struct family {
    _Atomic uint64_t notes[NOTES]; /* a pc, and in its low bits how often it was noted */
    _Atomic uint32_t wanted_count; /* may exceed WANTED */
    _Atomic uint64_t wanted[WANTED];
};

static struct family *own, *parents;
static _Atomic uint32_t taken; /* of own->wanted */

void children_expected(void)
{
    if (own || cache.to_execute) /* else they begin with an empty cache */
        return;
    own = own_map(sizeof *own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

void children_after_fork(void)
{
    if (parents)
        munmap(parents, sizeof *parents);
    parents = own;
    own = NULL;
    taken = 0;
}

/* The note of pc, or one to be overwritten. */
static _Atomic uint64_t *find_note(uint64_t pc)
{
    _Atomic uint64_t *first = &parents->notes[(pc >> 2) & (NOTES - 1) & ~(uint64_t)(PROBES - 1)];
    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t note = atomic_load_explicit(&first[i], memory_order_relaxed);
        if (!note || (note & ~(uint64_t)COUNT_MASK) == pc)
            return &first[i];
    }
    return &first[(pc >> 2) & (PROBES - 1)];
}

void children_note(uint64_t pc)
{
    if (!parents)
        return;
    _Atomic uint64_t *note = find_note(pc);
    uint64_t before = atomic_load_explicit(note, memory_order_relaxed);
    if ((before & ~(uint64_t)COUNT_MASK) != pc) {
        atomic_store_explicit(note, pc | 1, memory_order_relaxed);
    } else if ((before & COUNT_MASK) < TWICE) {
        atomic_store_explicit(note, pc | TWICE, memory_order_relaxed);
        uint32_t place = atomic_fetch_add_explicit(&parents->wanted_count, 1, memory_order_relaxed);
        if (place < WANTED)
            atomic_store_explicit(&parents->wanted[place], pc, memory_order_relaxed);
    }
}

bool children_want(uint64_t *pc)
{
    if (!own)
        return false;
    uint32_t place = atomic_load_explicit(&taken, memory_order_relaxed);
    do {
        if (place >= WANTED || place >= atomic_load_explicit(&own->wanted_count, memory_order_relaxed))
            return false;
    } while (!atomic_compare_exchange_weak(&taken, &place, place + 1));
    *pc = atomic_load_explicit(&own->wanted[place], memory_order_relaxed);
    return true;
}
