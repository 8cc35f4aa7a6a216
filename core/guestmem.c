/* The guest's address space: a sorted set of ranges beside the kernel's own map, and the memory calls on it.
 */
#include <xemu/guestmem.h>

#include "ranges.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <xemu/jit.h>
#include <xemu/log.h>

enum { PAGE = 4096, PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC | GUEST_PROT_BTI };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over the ranges, everything below and the map calls */
static uint64_t limit_total = UINT64_MAX, limit_private = UINT64_MAX, program_data; /* guest_limit() */
static int lock_future;             /* MCL_FUTURE, perhaps MCL_ONFAULT */
static uint64_t brk_start, brk_end; /* brk_end as the guest asked for it, not aligned */

_Atomic uint64_t code_generation;
static _Atomic bool any_guarded; /* ever */

static uint64_t page_up(uint64_t addr) { return (addr + PAGE - 1) & ~(uint64_t)(PAGE - 1); }
static uint64_t page_down(uint64_t addr) { return addr & ~(uint64_t)(PAGE - 1); }

/* With the lock held, before code can be found that is guarded. */
static int known_prot(int prot)
{
    if (prot & GUEST_PROT_BTI)
        any_guarded = true;
    return prot & PROT_KNOWN;
}

static void code_changed(uint64_t start, uint64_t end)
{
    for (size_t i = ranges_find(start); i < ranges.count && ranges.at[i].start < end; i++) {
        struct range part = range_part(&ranges.at[i], start, end);
        if (!(part.prot & PROT_EXEC))
            continue;
        atomic_fetch_add_explicit(&code_generation, 1, memory_order_release);
        jit_code_changed(part.start, part.end);
    }
}

static void put_in(struct range range)
{
    code_changed(range.start, range.end);
    ranges_change(range, true);
}

static void take_out(uint64_t start, uint64_t end)
{
    code_changed(start, end);
    ranges_change((struct range){.start = start, .end = end}, false);
}

/* Sets the rights of ranges that are the guest's; what they map stays. */
static void protect(uint64_t start, uint64_t end, int prot)
{
    while (start < end) {
        struct range part = range_part(&ranges.at[ranges_find(start)], start, end);
        int before = part.prot;
        part.prot = known_prot(prot);
        if ((before & PROT_EXEC) && (!(prot & PROT_EXEC) || (before ^ prot) & GUEST_PROT_BTI))
            code_changed(part.start, part.end);
        ranges_change(part, true);
        start = part.end;
    }
}

/* ---- limits, as the kernel's may_expand_vm() ---- */

static bool is_data(const struct range *range) { return (range->prot & PROT_WRITE) && !range->shared; }

/* What of [start, end) is the guest's, in bytes: all of it, or what counts as data, or what doesn't yet. */
static bool any(const struct range *range) { return (void)range, true; }
static bool is_other_private(const struct range *range)
{
    return !(range->prot & PROT_WRITE) && !range->shared;
}

static uint64_t bytes_in(uint64_t start, uint64_t end, bool (*counts)(const struct range *))
{
    uint64_t sum = 0;
    for (size_t i = ranges_find(start); i < ranges.count && ranges.at[i].start < end; i++) {
        struct range part = range_part(&ranges.at[i], start, end);
        sum += counts(&part) ? part.end - part.start : 0;
    }
    return sum;
}

static bool fits(uint64_t more, bool data)
{
    if (limit_total != UINT64_MAX && bytes_in(0, GUEST_END, any) + more > limit_total)
        return false;
    return !data || limit_private == UINT64_MAX || bytes_in(0, GUEST_END, is_data) + more <= limit_private;
}

/* ---- the kernel's map ---- */

/* What mlockall(MCL_FUTURE) adds to the flags of new mappings, and what flags can't say. */
static int lock_flags(void) { return lock_future && !(lock_future & MCL_ONFAULT) ? MAP_LOCKED : 0; }
static void lock_new(uint64_t start, uint64_t length)
{
    if (lock_future & MCL_ONFAULT)
        mlock2((void *)(uintptr_t)start, length, MLOCK_ONFAULT);
}

static int64_t result_of(void *mapped) { return mapped == MAP_FAILED ? -errno : (int64_t)(uintptr_t)mapped; }

static void *host_pointer(uint64_t addr) { return (void *)(uintptr_t)addr; }

/* The host maps guest code without PROT_EXEC, but readable: decoders and IC IVAU read it. */
static int host_prot(int prot)
{
    return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

static void release_gaps(uint64_t start, uint64_t end)
{
    for (uint64_t to; ranges_next_gap(&start, &to, end); start = to)
        munmap(host_pointer(start), to - start);
}

/* Takes the gaps of [start, end) into possession, so that a MAP_FIXED over the whole can't hit anything but
 * the guest's memory and these. Fails with -ENOMEM, nothing changed, where xemu's own memory lies in a gap.
 */
static int64_t reserve_gaps(uint64_t start, uint64_t end)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    uint64_t from = start;
    for (uint64_t to; ranges_next_gap(&from, &to, end); from = to) {
        int64_t got = result_of(mmap(host_pointer(from), to - from, PROT_NONE, flags, -1, 0));
        if (got == (int64_t)from)
            continue;
        if (got >= 0) /* a kernel before 4.17 took the address as a hint */
            munmap(host_pointer((uint64_t)got), to - from);
        release_gaps(start, from);
        return got == -EPERM ? -EPERM : -ENOMEM; /* EPERM: below mmap_min_addr */
    }
    return 0;
}

static int64_t map_fixed(uint64_t addr, uint64_t length, int prot, int flags, int fd, int64_t offset)
{
    if (addr & (PAGE - 1))
        return -EINVAL;
    if (addr > GUEST_END || length > GUEST_END - addr)
        return -ENOMEM;
    int64_t result = reserve_gaps(addr, addr + length);
    if (result < 0)
        return result;
    result = result_of(mmap(host_pointer(addr), length, prot, flags | MAP_FIXED, fd, offset));
    if (result < 0)
        release_gaps(addr, addr + length);
    return result;
}

/* What a new mapping shows. A file's private pages change with the file until they are written to. */
static uint64_t object_of(int flags, int fd)
{
    static uint64_t anonymous;
    struct stat file;
    if (flags & MAP_ANONYMOUS)
        return flags & MAP_SHARED ? ++anonymous << 32 : PRIVATE;
    return fstat(fd, &file) ? UNKNOWN : (file.st_ino * 2 + 1) ^ file.st_dev << 40;
}

int64_t guest_mmap(uint64_t addr, uint64_t length, int prot, int flags, int fd, int64_t offset)
{
    if (length == 0) /* fails; the kernel knows with which error */
        return result_of(mmap(host_pointer(addr), 0, host_prot(prot), flags & ~MAP_FIXED, fd, offset));
    if (length > GUEST_END)
        return -ENOMEM;
    bool replaces = (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE, data = (prot & PROT_WRITE) && !shared;
    pthread_mutex_lock(&lock);
    flags |= lock_flags();
    int64_t result = ranges_reserve();
    uint64_t replaced = replaces ? bytes_in(addr, addr + page_up(length), any) : 0;
    if (result == 0 && !fits(page_up(length) - replaced, data))
        result = -ENOMEM;
    if (result == 0) {
        if (replaces)
            result = map_fixed(addr, page_up(length), host_prot(prot), flags, fd, offset);
        else /* a hint above the 47 bits would open the host's larger address space */
            result = result_of(
                mmap(host_pointer(addr < GUEST_END ? addr : 0), length, host_prot(prot), flags, fd, offset));
    }
    if (result >= 0) {
        lock_new((uint64_t)result, page_up(length));
        put_in((struct range){.start = (uint64_t)result,
                                  .end = (uint64_t)result + page_up(length),
                                  .prot = known_prot(prot),
                                  .shared = shared,
                                  .object = object_of(flags, fd),
                                  .offset = (uint64_t)offset});
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int64_t unmap_pieces(uint64_t start, uint64_t end)
{
    uint64_t from = start;
    for (uint64_t to; ranges_next_piece(&from, &to, end); from = to) {
        if (munmap(host_pointer(from), to - from))
            return -errno;
        take_out(from, to);
    }
    return 0;
}

int64_t guest_munmap(uint64_t addr, uint64_t length)
{
    if ((addr & (PAGE - 1)) || length == 0 || addr > GUEST_END || page_up(length) > GUEST_END - addr)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    int64_t result = ranges_reserve();
    if (result == 0)
        result = unmap_pieces(addr, addr + page_up(length));
    pthread_mutex_unlock(&lock);
    return result;
}

static int64_t remap(uint64_t old, uint64_t old_length, uint64_t length, int flags, uint64_t hint)
{
    if (ranges_reach(old) < old + (old_length ? old_length : 1))
        return -EFAULT;
    uint64_t kept = flags & MREMAP_DONTUNMAP ? 0 : old_length;
    if (length > kept && !fits(length - kept, is_data(&ranges.at[ranges_find(old)])))
        return -ENOMEM;
    if (!(flags & MREMAP_FIXED))
        return result_of(mremap(host_pointer(old), old_length, length, flags, host_pointer(hint)));
    if ((hint & (PAGE - 1)) || hint > GUEST_END || length > GUEST_END - hint)
        return -EINVAL;
    if (hint < old + old_length && old < hint + length) /* they overlap: the kernel's to refuse */
        return -EINVAL;
    int64_t result = reserve_gaps(hint, hint + length);
    if (result < 0)
        return result;
    result = result_of(mremap(host_pointer(old), old_length, length, flags, host_pointer(hint)));
    if (result < 0)
        release_gaps(hint, hint + length);
    return result;
}

int64_t guest_mremap(uint64_t old, uint64_t old_length, uint64_t length, int flags, uint64_t hint)
{
    if ((old & (PAGE - 1)) || length == 0 || old > GUEST_END || old_length > GUEST_END || length > GUEST_END)
        return -EINVAL;
    old_length = page_up(old_length);
    length = page_up(length);
    pthread_mutex_lock(&lock);
    int64_t result = ranges_reserve();
    if (result == 0)
        result = remap(old, old_length, length, flags, hint);
    if (result >= 0) {
        struct range moved = range_part(&ranges.at[ranges_find(old)], old, UINT64_MAX);
        if (!(flags & MREMAP_DONTUNMAP) && old_length)
            take_out(old, old + old_length);
        moved.start = (uint64_t)result;
        moved.end = (uint64_t)result + length;
        put_in(moved);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int64_t guest_mprotect(uint64_t addr, uint64_t length, int prot)
{
    if (addr & (PAGE - 1))
        return -EINVAL;
    length = page_up(length);
    if (length == 0)
        return 0;
    if (addr > GUEST_END || length > GUEST_END - addr)
        return -ENOMEM;
    pthread_mutex_lock(&lock);
    int64_t result = ranges_reserve();
    /* Like the kernel: up to the first gap it takes effect, even if the call fails there. */
    uint64_t end = ranges_reach(addr) < addr + length ? ranges_reach(addr) : addr + length;
    if (result == 0 && (prot & PROT_WRITE) && limit_private != UINT64_MAX &&
        !fits(bytes_in(addr, end, is_other_private), true))
        result = -ENOMEM;
    if (result == 0 && addr < end && mprotect(host_pointer(addr), end - addr, host_prot(prot)))
        result = -errno;
    if (result == 0)
        protect(addr, end, prot);
    if (result == 0 && end < addr + length)
        result = -ENOMEM;
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- brk ---- */

void guest_brk_init(uint64_t start) { brk_start = brk_end = page_up(start); }

/* As the kernel's check_data_rlimit(). */
static bool heap_fits(uint64_t end)
{
    return limit_private == UINT64_MAX || end - brk_start + program_data <= limit_private;
}

static bool brk_grow(uint64_t from, uint64_t to)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | lock_flags();
    int64_t got = result_of(mmap(host_pointer(from), to - from, PROT_READ | PROT_WRITE, flags, -1, 0));
    if (got >= 0 && (uint64_t)got != from)
        munmap(host_pointer((uint64_t)got), to - from);
    if (got != (int64_t)from)
        return false;
    lock_new(from, to - from);
    put_in((struct range){.start = from, .end = to, .prot = PROT_READ | PROT_WRITE});
    return true;
}

uint64_t guest_brk(uint64_t end)
{
    pthread_mutex_lock(&lock);
    uint64_t from = page_up(brk_end), to = page_up(end);
    bool done = end >= brk_start && end < GUEST_END && ranges_reserve() == 0;
    if (done && to > from)
        done = heap_fits(end) && fits(to - from, true) && brk_grow(from, to);
    else if (done && to < from)
        done = unmap_pieces(to, from) == 0;
    if (done)
        brk_end = end;
    uint64_t result = brk_end;
    pthread_mutex_unlock(&lock);
    return result;
}

void guest_brk_range(uint64_t *start, uint64_t *end)
{
    *start = brk_start;
    *end = page_up(brk_end);
}

/* ---- the set for others ---- */

static void change(struct range range, bool inserts)
{
    pthread_mutex_lock(&lock);
    if (ranges_reserve())
        die(1, "out of memory for the map of the guest's memory");
    code_changed(range.start, range.end);
    ranges_change(range, inserts);
    pthread_mutex_unlock(&lock);
}

void guest_range_add(uint64_t start, uint64_t end)
{
    change((struct range){.start = page_down(start),
                          .end = page_up(end),
                          .prot = PROT_READ | PROT_WRITE,
                          .shared = true,
                          .object = UNKNOWN},
           true);
}
void guest_range_set_executable(uint64_t start, uint64_t end)
{
    change((struct range){.start = page_down(start),
                          .end = page_up(end),
                          .prot = PROT_READ | PROT_WRITE | PROT_EXEC,
                          .shared = true,
                          .object = UNKNOWN},
           true);
}
void guest_range_remove(uint64_t start, uint64_t end)
{
    change((struct range){.start = page_down(start), .end = page_up(end)}, false);
}

void guest_limit(uint64_t total, uint64_t private_writable, uint64_t data)
{
    pthread_mutex_lock(&lock);
    limit_total = total;
    limit_private = private_writable;
    program_data = data;
    pthread_mutex_unlock(&lock);
}

void guest_lock_future(int flags)
{
    pthread_mutex_lock(&lock);
    lock_future = flags & MCL_FUTURE ? flags : 0;
    pthread_mutex_unlock(&lock);
}

bool guest_fits(uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    bool result = fits(bytes, false);
    pthread_mutex_unlock(&lock);
    return result;
}

bool guest_range_contains(uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&lock);
    bool result = ranges_reach(start) >= end;
    pthread_mutex_unlock(&lock);
    return result;
}

bool guest_range_next(uint64_t *start, uint64_t *end)
{
    pthread_mutex_lock(&lock);
    bool found = ranges_next_piece(start, end, GUEST_END);
    pthread_mutex_unlock(&lock);
    return found;
}

/* Numbers of files are odd, see object_of(). */
bool guest_code_place(uint64_t addr, struct code_place *place)
{
    pthread_mutex_lock(&lock);
    const struct range *range = range_at(addr);
    bool found = range && (range->prot & PROT_EXEC) && range->object % 2 && range->object != UNKNOWN;
    if (found)
        *place = (struct code_place){range->object, range->offset + (addr - range->start)};
    pthread_mutex_unlock(&lock);
    return found;
}

bool guest_range_executable(uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&lock);
    size_t i = ranges_find(start);
    while (start < end && i < ranges.count && ranges.at[i].start <= start && (ranges.at[i].prot & PROT_EXEC))
        start = ranges.at[i++].end;
    pthread_mutex_unlock(&lock);
    return start >= end;
}

int guest_range_prot(uint64_t addr)
{
    pthread_mutex_lock(&lock);
    const struct range *range = range_at(addr);
    int prot = range ? range->prot : PROT_NONE;
    pthread_mutex_unlock(&lock);
    return prot;
}

bool guest_range_guarded(uint64_t addr) { return any_guarded && guest_range_prot(addr) & GUEST_PROT_BTI; }

void guest_code_changed(uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&lock);
    code_changed(start, end);
    pthread_mutex_unlock(&lock);
}

/* [start, end) is of *changed; whatever else shows the same memory has changed, too. */
static void code_changed_elsewhere(const struct range *changed, uint64_t start, uint64_t end)
{
    uint64_t low = changed->offset + (start - changed->start), high = low + (end - start);
    for (size_t i = 0; i < ranges.count; i++) {
        const struct range *r = &ranges.at[i];
        if (!(r->prot & PROT_EXEC) || r->object != changed->object)
            continue;
        uint64_t r_high = r->offset + (r->end - r->start);
        if (r->object == UNKNOWN)
            code_changed(r->start, r->end);
        else if (low < r_high && high > r->offset)
            code_changed(r->start + (low > r->offset ? low - r->offset : 0),
                         r->start + ((high < r_high ? high : r_high) - r->offset));
    }
}

void guest_line_changed(uint64_t addr)
{
    uint64_t start = addr & ~(uint64_t)(CODE_LINE - 1), end = start + CODE_LINE;
    pthread_mutex_lock(&lock);
    const struct range *changed = range_at(start);
    if (changed && changed->object == PRIVATE)
        code_changed(start, end);
    else if (changed)
        code_changed_elsewhere(changed, start, end); /* and here */
    pthread_mutex_unlock(&lock);
}

void guestmem_fork_prepare(void) { pthread_mutex_lock(&lock); }
void guestmem_fork_done(void) { pthread_mutex_unlock(&lock); }
