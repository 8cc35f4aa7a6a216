/* The region that xemu's own mappings are made in, one behind the other. Each process has another one: its
 * code may not be easier to find than the guest's. */
#include <xemu/own.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>

/* Far below the top of the address space, which mappings without an address grow down from, and above what
 * programs and sanitizers have at fixed addresses. */
#define REGION_LOW 0x200000000000u
enum { RANDOM_BITS = 44, PAGE = 4096, TRIES = 8 };
#define AROUND ((uintptr_t)1 << 32) /* what is skipped where something of the guest's lies in the way */

static _Atomic uintptr_t next; /* 0: the region isn't chosen yet */

static uintptr_t take(size_t bytes)
{
    if (!next) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) /* not yet at boot */
            random = (uintptr_t)&random;
        uintptr_t none = 0, start = REGION_LOW + (random & (((uint64_t)1 << RANDOM_BITS) - PAGE));
        atomic_compare_exchange_strong(&next, &none, start);
    }
    return atomic_fetch_add(&next, (bytes + PAGE - 1) & ~(size_t)(PAGE - 1));
}

void *own_map(size_t bytes, int prot, int flags, int fd)
{
    for (int i = 0; i < TRIES; i++) {
        void *memory = mmap((void *)take(bytes), bytes, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
        if (memory != MAP_FAILED)
            return memory;
        if (errno != EEXIST)
            return NULL;
        take(AROUND);
    }
    void *memory = mmap(NULL, bytes, prot, flags, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}
