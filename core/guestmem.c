/* The guest's address space: a sorted set of ranges beside the kernel's own map, and the memory calls on it.
 */
#include <xemu/guestmem.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <xemu/jit.h>
#include <xemu/log.h>

enum { PAGE = 4096, PROT_RWX = PROT_READ | PROT_WRITE | PROT_EXEC };

/* Neighbours that are of one piece are one range: at[i].end < at[i + 1].start, or they differ in more. */
struct range {
    uint64_t start, end;
    int prot;        /* the guest's rights, PROT_; the host never executes it, and reads what the guest executes */
    bool shared;     /* with other processes */
    uint64_t object; /* what is mapped, where other mappings can show it, too; else PRIVATE */
    uint64_t offset; /* of start in the object */
};

#define PRIVATE 0
#define UNKNOWN UINT64_MAX /* all such ranges may be the same memory */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over everything below and the map calls */
static struct range *at;
static size_t count, room;
static uint64_t limit_total = UINT64_MAX, limit_private = UINT64_MAX, program_data; /* guest_limit() */
static int lock_future; /* MCL_FUTURE, perhaps MCL_ONFAULT */
static uint64_t brk_start, brk_end; /* brk_end as the guest asked for it, not aligned */

_Atomic uint64_t code_generation;

static uint64_t page_up(uint64_t addr) { return (addr + PAGE - 1) & ~(uint64_t)(PAGE - 1); }
static uint64_t page_down(uint64_t addr) { return addr & ~(uint64_t)(PAGE - 1); }

/* ---- the set; the caller holds the lock ---- */

/* The first range that ends after addr, or count. */
static size_t set_find(uint64_t addr)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Makes sure that the next operation can't run out of memory halfway: none adds more than four ranges. */
static int set_reserve(void)
{
    if (count + 4 <= room)
        return 0;
    size_t more = room ? room * 2 : 64;
    struct range *bigger = realloc(at, more * sizeof *at);
    if (!bigger)
        return -ENOMEM;
    at = bigger;
    room = more;
    return 0;
}

/* Replaces `old` ranges from index i by `new_count` given ones. */
static void set_splice(size_t i, size_t old, const struct range *new_ranges, size_t new_count)
{
    memmove(at + i + new_count, at + i + old, (count - i - old) * sizeof *at);
    if (new_count)
        memcpy(at + i, new_ranges, new_count * sizeof *at);
    count = count - old + new_count;
}

/* The part of a range that is in [start, end). */
static struct range part_of(const struct range *range, uint64_t start, uint64_t end)
{
    struct range part = *range;
    if (part.start < start) {
        part.offset += start - part.start;
        part.start = start;
    }
    if (part.end > end)
        part.end = end;
    return part;
}

static bool continues(const struct range *last, const struct range *next)
{
    return last->end == next->start && last->prot == next->prot && last->shared == next->shared && last->object == next->object &&
           (last->object == PRIVATE || last->offset + (last->end - last->start) == next->offset);
}

/* Appends a range to the pieces, if there's something of it; joins it to the last one where it continues that. */
static void join(struct range *piece, size_t *pieces, struct range next)
{
    struct range *last = piece + *pieces - 1;
    if (next.start >= next.end)
        return;
    if (*pieces && continues(last, &next))
        last->end = next.end;
    else
        piece[(*pieces)++] = next;
}

/* Takes [in.start, in.end) out; puts it in as `in` says when `insert`. */
static void set_change(struct range in, bool insert)
{
    struct range piece[3];
    size_t pieces = 0;
    size_t first = set_find(in.start ? in.start - 1 : 0),
           last = first; /* those that touch count: they may be joined */
    while (last < count && at[last].start <= in.end)
        last++;
    if (first < last)
        join(piece, &pieces, part_of(&at[first], 0, in.start));
    if (insert)
        join(piece, &pieces, in);
    if (first < last)
        join(piece, &pieces, part_of(&at[last - 1], in.end, UINT64_MAX));
    set_splice(first, last - first, piece, pieces);
}

/* How far the guest's ranges reach from start without a gap; start itself if it isn't the guest's. */
static uint64_t set_reach(uint64_t start)
{
    for (size_t i = set_find(start); i < count && at[i].start <= start; i++)
        start = at[i].end;
    return start;
}

/* Iterators: for (s = start; next_x(&s, &e, end); s = e) visits the pieces [s, e) of [start, end) that are
 * the guest's, or that aren't. */
static bool next_piece(uint64_t *start, uint64_t *end, uint64_t limit)
{
    size_t i = set_find(*start);
    if (*start >= limit || i == count || at[i].start >= limit)
        return false;
    if (*start < at[i].start)
        *start = at[i].start;
    *end = at[i].end < limit ? at[i].end : limit;
    return true;
}

static bool next_gap(uint64_t *start, uint64_t *end, uint64_t limit)
{
    *start = set_reach(*start);
    if (*start >= limit)
        return false;
    size_t i = set_find(*start);
    *end = i < count && at[i].start < limit ? at[i].start : limit;
    return true;
}

static void code_changed(uint64_t start, uint64_t end)
{
    for (size_t i = set_find(start); i < count && at[i].start < end; i++) {
        struct range part = part_of(&at[i], start, end);
        if (!(part.prot & PROT_EXEC))
            continue;
        atomic_fetch_add_explicit(&code_generation, 1, memory_order_release);
        jit_invalidate(part.start, part.end);
    }
}

static void set_insert(struct range range)
{
    code_changed(range.start, range.end);
    set_change(range, true);
}

static void set_remove(uint64_t start, uint64_t end)
{
    code_changed(start, end);
    set_change((struct range){.start = start, .end = end}, false);
}

/* Sets the rights of ranges that are the guest's; what they map stays. */
static void set_protect(uint64_t start, uint64_t end, int prot)
{
    while (start < end) {
        struct range part = part_of(&at[set_find(start)], start, end);
        if ((part.prot & PROT_EXEC) && !(prot & PROT_EXEC))
            code_changed(part.start, part.end);
        part.prot = prot & PROT_RWX;
        set_change(part, true);
        start = part.end;
    }
}

/* ---- limits, as the kernel's may_expand_vm() ---- */

static bool is_data(const struct range *range) { return (range->prot & PROT_WRITE) && !range->shared; }

/* What of [start, end) is the guest's, in bytes: all of it, or what counts as data, or what doesn't yet. */
static bool any(const struct range *range) { return (void)range, true; }
static bool is_other_private(const struct range *range) { return !(range->prot & PROT_WRITE) && !range->shared; }

static uint64_t bytes_in(uint64_t start, uint64_t end, bool (*counts)(const struct range *))
{
    uint64_t sum = 0;
    for (size_t i = set_find(start); i < count && at[i].start < end; i++) {
        struct range part = part_of(&at[i], start, end);
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
    for (uint64_t to; next_gap(&start, &to, end); start = to)
        munmap(host_pointer(start), to - start);
}

/* Takes the gaps of [start, end) into possession, so that a MAP_FIXED over the whole can't hit anything but
 * the guest's memory and these. Fails with -ENOMEM, nothing changed, where xemu's own memory lies in a gap.
 */
static int64_t reserve_gaps(uint64_t start, uint64_t end)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    uint64_t from = start;
    for (uint64_t to; next_gap(&from, &to, end); from = to) {
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
    int64_t result = set_reserve();
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
        set_insert((struct range){.start = (uint64_t)result,
                                  .end = (uint64_t)result + page_up(length),
                                  .prot = prot & PROT_RWX,
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
    for (uint64_t to; next_piece(&from, &to, end); from = to) {
        if (munmap(host_pointer(from), to - from))
            return -errno;
        set_remove(from, to);
    }
    return 0;
}

int64_t guest_munmap(uint64_t addr, uint64_t length)
{
    if ((addr & (PAGE - 1)) || length == 0 || addr > GUEST_END || page_up(length) > GUEST_END - addr)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    int64_t result = set_reserve();
    if (result == 0)
        result = unmap_pieces(addr, addr + page_up(length));
    pthread_mutex_unlock(&lock);
    return result;
}

static int64_t remap(uint64_t old, uint64_t old_length, uint64_t length, int flags, uint64_t hint)
{
    if (set_reach(old) < old + (old_length ? old_length : 1))
        return -EFAULT;
    uint64_t kept = flags & MREMAP_DONTUNMAP ? 0 : old_length;
    if (length > kept && !fits(length - kept, is_data(&at[set_find(old)])))
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
    int64_t result = set_reserve();
    if (result == 0)
        result = remap(old, old_length, length, flags, hint);
    if (result >= 0) {
        struct range moved = part_of(&at[set_find(old)], old, UINT64_MAX);
        if (!(flags & MREMAP_DONTUNMAP) && old_length)
            set_remove(old, old + old_length);
        moved.start = (uint64_t)result;
        moved.end = (uint64_t)result + length;
        set_insert(moved);
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
    int64_t result = set_reserve();
    /* Like the kernel: up to the first gap it takes effect, even if the call fails there. */
    uint64_t end = set_reach(addr) < addr + length ? set_reach(addr) : addr + length;
    if (result == 0 && (prot & PROT_WRITE) && limit_private != UINT64_MAX &&
        !fits(bytes_in(addr, end, is_other_private), true))
        result = -ENOMEM;
    if (result == 0 && addr < end && mprotect(host_pointer(addr), end - addr, host_prot(prot)))
        result = -errno;
    if (result == 0)
        set_protect(addr, end, prot);
    if (result == 0 && end < addr + length)
        result = -ENOMEM;
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- brk ---- */

void guest_brk_init(uint64_t start) { brk_start = brk_end = page_up(start); }

static bool brk_grow(uint64_t from, uint64_t to)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | lock_flags();
    int64_t got = result_of(mmap(host_pointer(from), to - from, PROT_READ | PROT_WRITE, flags, -1, 0));
    if (got >= 0 && (uint64_t)got != from)
        munmap(host_pointer((uint64_t)got), to - from);
    if (got != (int64_t)from)
        return false;
    lock_new(from, to - from);
    set_insert((struct range){.start = from, .end = to, .prot = PROT_READ | PROT_WRITE});
    return true;
}

uint64_t guest_brk(uint64_t end)
{
    pthread_mutex_lock(&lock);
    uint64_t from = page_up(brk_end), to = page_up(end);
    bool done = end >= brk_start && end < GUEST_END && set_reserve() == 0;
    if (done && to > from)
        done = end - brk_start <= limit_private - (program_data < limit_private ? program_data : limit_private) &&
               fits(to - from, true) && brk_grow(from, to);
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

static void change(struct range range, bool insert)
{
    pthread_mutex_lock(&lock);
    if (set_reserve())
        die(1, "out of memory for the map of the guest's memory");
    code_changed(range.start, range.end);
    set_change(range, insert);
    pthread_mutex_unlock(&lock);
}

void guest_range_add(uint64_t start, uint64_t end)
{
    change((struct range){.start = page_down(start), .end = page_up(end), .prot = PROT_READ | PROT_WRITE, .shared = true, .object = UNKNOWN}, true);
}
void guest_range_set_executable(uint64_t start, uint64_t end)
{
    change((struct range){.start = page_down(start), .end = page_up(end), .prot = PROT_RWX, .shared = true, .object = UNKNOWN},
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
    bool result = set_reach(start) >= end;
    pthread_mutex_unlock(&lock);
    return result;
}

bool guest_range_next(uint64_t *start, uint64_t *end)
{
    pthread_mutex_lock(&lock);
    bool found = next_piece(start, end, GUEST_END);
    pthread_mutex_unlock(&lock);
    return found;
}

/* Numbers of files are odd, see object_of(). */
bool guest_code_place(uint64_t addr, struct code_place *place)
{
    pthread_mutex_lock(&lock);
    size_t i = set_find(addr);
    bool found = i < count && at[i].start <= addr && (at[i].prot & PROT_EXEC) && at[i].object % 2 && at[i].object != UNKNOWN;
    if (found)
        *place = (struct code_place){at[i].object, at[i].offset + (addr - at[i].start)};
    pthread_mutex_unlock(&lock);
    return found;
}

bool guest_range_executable(uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&lock);
    size_t i = set_find(start);
    while (start < end && i < count && at[i].start <= start && (at[i].prot & PROT_EXEC))
        start = at[i++].end;
    pthread_mutex_unlock(&lock);
    return start >= end;
}

int guest_range_prot(uint64_t addr)
{
    pthread_mutex_lock(&lock);
    size_t i = set_find(addr);
    int prot = i < count && at[i].start <= addr ? at[i].prot : PROT_NONE;
    pthread_mutex_unlock(&lock);
    return prot;
}

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
    for (size_t i = 0; i < count; i++) {
        const struct range *r = &at[i];
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
    size_t i = set_find(start);
    if (i < count && at[i].start <= start) {
        if (at[i].object == PRIVATE)
            code_changed(start, end);
        else
            code_changed_elsewhere(&at[i], start, end); /* and here */
    }
    pthread_mutex_unlock(&lock);
}

void guestmem_fork_prepare(void) { pthread_mutex_lock(&lock); }
void guestmem_fork_done(void) { pthread_mutex_unlock(&lock); }
