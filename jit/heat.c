/* How often code has run, and whether the cache may have it: one byte for each instruction of a stretch of code, so that
 * neighbours share cache lines, and what is seen a few times only costs no other look-up. */
#include "cache.h"

enum { ENTRIES = 1 << 16, COUNT = 0x7f, CACHED = 0x80 };

/* Code that far apart shares a byte. Threads may lose a count. */
static _Atomic uint8_t heat[ENTRIES];

static _Atomic uint8_t *heat_of(uint64_t pc) { return &heat[(pc >> 2) & (ENTRIES - 1)]; }

unsigned heat_add(uint64_t pc)
{
    _Atomic uint8_t *entry = heat_of(pc);
    uint8_t before = atomic_load_explicit(entry, memory_order_relaxed);
    if ((before & COUNT) < HOT) /* never over another thread's CACHED */
        atomic_compare_exchange_strong_explicit(entry, &before, before + 1, memory_order_relaxed, memory_order_relaxed);
    return before & COUNT;
}

bool heat_is_warm(uint64_t pc) { return (atomic_load_explicit(heat_of(pc), memory_order_relaxed) & COUNT) >= WARM; }

void heat_cached(uint64_t pc) { atomic_fetch_or_explicit(heat_of(pc), CACHED, memory_order_relaxed); }

bool heat_may_be_cached(uint64_t pc) { return atomic_load_explicit(heat_of(pc), memory_order_relaxed) & CACHED; }
