/* Ordered, exclusive and atomic accesses to guest memory, with the host's atomics on the same addresses. */
#include <xemu/features.h>
#include <xemu/mem.h>

enum { PAGE = 4096 };

/* The host address of an access that must be aligned to its size, or with FEAT_LSE2 lie within 16 bytes. */
static void *aligned(struct cpu *cpu, uint64_t addr, unsigned size)
{
    addr = guest_untag(addr);
    uint64_t bytes = 1u << size;
    if (addr & (bytes - 1) && (!feature_on[FEAT_LSE2] || size == 4 || (addr & 15) + bytes > 16))
        fault_raise(cpu, SIGBUS, BUS_ADRALN, addr);
    return (void *)addr;
}

uint64_t mem_aligned(struct cpu *cpu, uint64_t addr, unsigned size)
{
    aligned(cpu, addr, size);
    return addr;
}

/* Under x86-TSO every load acquires; a store-release that must not be passed by a later load-acquire (RCsc) is
 * an exchange. */
NO_SANITIZE uint64_t mem_load_acquire(struct cpu *cpu, uint64_t addr, unsigned size)
{
    void *p = aligned(cpu, addr, size);
    switch (size) {
    case 0:
        return __atomic_load_n((uint8_t *)p, __ATOMIC_SEQ_CST);
    case 1:
        return __atomic_load_n((uint16_t *)p, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_load_n((uint32_t *)p, __ATOMIC_SEQ_CST);
    default:
        return __atomic_load_n((uint64_t *)p, __ATOMIC_SEQ_CST);
    }
}

NO_SANITIZE void mem_store_release(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t value)
{
    void *p = aligned(cpu, addr, size);
    switch (size) {
    case 0:
        __atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_SEQ_CST);
        break;
    case 1:
        __atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_SEQ_CST);
        break;
    case 2:
        __atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_SEQ_CST);
        break;
    default:
        __atomic_store_n((uint64_t *)p, value, __ATOMIC_SEQ_CST);
        break;
    }
}

/* Compare-and-swap at p; returns the old value. */
NO_SANITIZE static uint64_t swap_if_equal(void *p, unsigned size, uint64_t expected, uint64_t value)
{
    switch (size) {
    case 0:
        return __sync_val_compare_and_swap((uint8_t *)p, (uint8_t)expected, (uint8_t)value);
    case 1:
        return __sync_val_compare_and_swap((uint16_t *)p, (uint16_t)expected, (uint16_t)value);
    case 2:
        return __sync_val_compare_and_swap((uint32_t *)p, (uint32_t)expected, (uint32_t)value);
    default:
        return __sync_val_compare_and_swap((uint64_t *)p, expected, value);
    }
}

uint64_t mem_compare_and_swap(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t expected, uint64_t value)
{
    return swap_if_equal(aligned(cpu, addr, size), size, expected, value);
}

/* cmpxchg16b; returns whether it stored, and the old value in *expected. */
NO_SANITIZE static bool swap_pair(void *p, union vec *expected, union vec value)
{
    bool stored;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(stored), "+m"(*(union vec *)p), "+a"(expected->d[0]), "+d"(expected->d[1])
                     : "b"(value.d[0]), "c"(value.d[1])
                     : "memory");
    return stored;
}

union vec mem_compare_and_swap_pair(struct cpu *cpu, uint64_t addr, union vec expected, union vec value)
{
    swap_pair(aligned(cpu, addr, 4), &expected, value);
    return expected;
}

/* --- read-modify-write -------------------------------------------------------------------------------- */

static uint64_t atomic_result(enum atomic_op op, unsigned size, uint64_t old, uint64_t value)
{
    unsigned unused = 64 - (8u << size);
    int64_t signed_old = (int64_t)(old << unused), signed_value = (int64_t)(value << unused);
    uint64_t top_old = old << unused, top_value = value << unused;

    switch (op) {
    case ATOMIC_ADD:
        return old + value;
    case ATOMIC_CLR:
        return old & ~value;
    case ATOMIC_EOR:
        return old ^ value;
    case ATOMIC_SET:
        return old | value;
    case ATOMIC_SMAX:
        return signed_old > signed_value ? old : value;
    case ATOMIC_SMIN:
        return signed_old < signed_value ? old : value;
    case ATOMIC_UMAX:
        return top_old > top_value ? old : value;
    case ATOMIC_UMIN:
        return top_old < top_value ? old : value;
    default:
        return value;
    }
}

uint64_t mem_atomic(struct cpu *cpu, uint64_t addr, unsigned size, enum atomic_op op, uint64_t value)
{
    void *p = aligned(cpu, addr, size);
    uint64_t old = mem_load(addr, size), seen;
    while ((seen = swap_if_equal(p, size, old, atomic_result(op, size, old, value))) != old)
        old = seen;
    return old;
}

union vec mem_atomic_pair(struct cpu *cpu, uint64_t addr, enum atomic_op op, union vec value)
{
    void *p = aligned(cpu, addr, 4);
    union vec old = mem_load_vec(addr, 4), wanted;
    do
        wanted.q = op == ATOMIC_CLR ? old.q & ~value.q : op == ATOMIC_SET ? old.q | value.q : value.q;
    while (!swap_pair(p, &old, wanted));
    return old;
}

/* --- exclusives: a store succeeds if memory still holds what the exclusive load of the same address and size
 * read --------------------------------------------------------------------------------------------------- */

static void open_monitor(struct cpu *cpu, uint64_t addr, uint32_t bytes, uint64_t low, uint64_t high)
{
    cpu->excl_addr = addr;
    cpu->excl_size = bytes;
    cpu->excl_val[0] = low;
    cpu->excl_val[1] = high;
}

uint64_t mem_load_exclusive(struct cpu *cpu, uint64_t addr, unsigned size)
{
    uint64_t value = mem_load_acquire(cpu, addr, size);
    open_monitor(cpu, guest_untag(addr), 1u << size, value, 0);
    return value;
}

/* Whether the monitor covers the access; it is closed by any exclusive store. */
static bool close_monitor(struct cpu *cpu, uint64_t addr, uint32_t bytes)
{
    bool held = cpu->excl_addr == guest_untag(addr) && cpu->excl_size == bytes;
    cpu->excl_addr = EXCL_NONE;
    return held;
}

uint64_t mem_store_exclusive(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t value)
{
    void *p = aligned(cpu, addr, size);
    if (!close_monitor(cpu, addr, 1u << size))
        return 1;
    return swap_if_equal(p, size, cpu->excl_val[0], value) != cpu->excl_val[0];
}

/* A 16-byte load is single-copy atomic where the host has AVX (Intel SDM 9.1.1, AMD APM 7.3.2); otherwise only
 * the store that follows finds out whether both halves belong together, which is what the architecture asks. */
union vec mem_load_exclusive_pair(struct cpu *cpu, uint64_t addr)
{
    aligned(cpu, addr, 4);
    union vec value = mem_load_vec(addr, 4);
    open_monitor(cpu, guest_untag(addr), 16, value.d[0], value.d[1]);
    return value;
}

uint64_t mem_store_exclusive_pair(struct cpu *cpu, uint64_t addr, union vec value)
{
    void *p = aligned(cpu, addr, 4);
    if (!close_monitor(cpu, addr, 16))
        return 1;
    union vec expected = {.d = {cpu->excl_val[0], cpu->excl_val[1]}};
    return !swap_pair(p, &expected, value);
}

/* --- memory copy and memory set ------------------------------------------------------------------------ */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Upwards from `addr` to the end of its page, and downwards from its end. */
static uint64_t bytes_up(uint64_t addr) { return PAGE - (addr & (PAGE - 1)); }
static uint64_t bytes_down(uint64_t end) { return ((end - 1) & (PAGE - 1)) + 1; }

uint64_t mem_copy_size(struct cpu *cpu, uint64_t size, uint64_t nzcv)
{
    if (size && nzcv & NZCV_C)
        fault_raise(cpu, 0, 0, 0);
    return size;
}

NO_SANITIZE uint64_t mem_copy_part(uint64_t to, uint64_t from, int64_t size)
{
    if (!size)
        return 0;
    uint64_t d = guest_untag(to + (uint64_t)size), s = guest_untag(from + (uint64_t)size), n;
    if (size < 0) {
        n = least(-(uint64_t)size, least(bytes_up(d), bytes_up(s)));
        size += (int64_t)n;
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    } else {
        n = least((uint64_t)size, least(bytes_down(d), bytes_down(s)));
        size -= (int64_t)n;
        d--, s--;
        __asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
    }
    return (uint64_t)size;
}

NO_SANITIZE uint64_t mem_set_part(uint64_t to, uint64_t value, int64_t size)
{
    if (!size)
        return 0;
    uint64_t d = guest_untag(to + (uint64_t)size), n = least(-(uint64_t)size, bytes_up(d));
    size += (int64_t)n;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"((uint8_t)value) : "memory");
    return (uint64_t)size;
}

/* --- cache maintenance -------------------------------------------------------------------------------- */

NO_SANITIZE void mem_zero_block(uint64_t addr)
{
    volatile struct guest_u64 *block = (volatile struct guest_u64 *)(guest_untag(addr) & ~(uint64_t)(ZVA_BYTES - 1));
    for (int i = 0; i < ZVA_BYTES / 8; i++)
        block[i].v = 0;
}

/* By the line's physical address, as CTR_EL0 promises: the guest may name another mapping of the code than the one
 * that it executes. */
void mem_code_changed(struct cpu *cpu, uint64_t addr)
{
    (void)cpu;
    guest_line_changed(guest_untag(addr));
}
