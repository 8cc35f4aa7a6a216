/* Guest memory as the engines access it. Base 0: a guest address is a host address, after the tag in its top
 * byte is dropped. A fault is caught by fault_recover(): the engine's recovery point must be armed. */
#ifndef XEMU_MEM_H
#define XEMU_MEM_H

#include <xemu/cpu.h>
#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <immintrin.h>
#include <signal.h>

/* Guest memory is outside of what a sanitizer knows, and the guest's address 0 may be used to see what happens. */
#define NO_SANITIZE __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))
#define GUEST_ACCESS NO_SANITIZE static inline __attribute__((unused))

enum atomic_op {
    ATOMIC_ADD,
    ATOMIC_CLR,
    ATOMIC_EOR,
    ATOMIC_SET,
    ATOMIC_SMAX,
    ATOMIC_SMIN,
    ATOMIC_UMAX,
    ATOMIC_UMIN,
    ATOMIC_SWP
};

struct guest_u8 {
    uint8_t v;
} __attribute__((packed, may_alias));
struct guest_u16 {
    uint16_t v;
} __attribute__((packed, may_alias));
struct guest_u32 {
    uint32_t v;
} __attribute__((packed, may_alias));
struct guest_u64 {
    uint64_t v;
} __attribute__((packed, may_alias));
struct guest_vec {
    __m128i v;
} __attribute__((packed, may_alias));

#define GUEST_AT(type, addr) ((volatile struct type *)guest_untag(addr))

/* size: log2 of the bytes. Volatile: a load whose result nobody needs may still fault. */
GUEST_ACCESS uint64_t mem_load(uint64_t addr, unsigned size)
{
    switch (size) {
    case 0:
        return GUEST_AT(guest_u8, addr)->v;
    case 1:
        return GUEST_AT(guest_u16, addr)->v;
    case 2:
        return GUEST_AT(guest_u32, addr)->v;
    default:
        return GUEST_AT(guest_u64, addr)->v;
    }
}

GUEST_ACCESS void mem_store(uint64_t addr, unsigned size, uint64_t value)
{
    switch (size) {
    case 0:
        GUEST_AT(guest_u8, addr)->v = (uint8_t)value;
        break;
    case 1:
        GUEST_AT(guest_u16, addr)->v = (uint16_t)value;
        break;
    case 2:
        GUEST_AT(guest_u32, addr)->v = (uint32_t)value;
        break;
    default:
        GUEST_AT(guest_u64, addr)->v = value;
        break;
    }
}

GUEST_ACCESS union vec mem_load_vec(uint64_t addr, unsigned size)
{
    union vec r = {0};
    if (size == 4)
        _mm_store_si128((__m128i *)&r, _mm_loadu_si128((const __m128i *)guest_untag(addr)));
    else
        r.d[0] = mem_load(addr, size);
    return r;
}

GUEST_ACCESS void mem_store_vec(uint64_t addr, unsigned size, union vec value)
{
    if (size == 4)
        _mm_storeu_si128((__m128i *)guest_untag(addr), _mm_load_si128((const __m128i *)&value));
    else
        mem_store(addr, size, value.d[0]);
}

/* Ordered and atomic accesses fault when not aligned to their size (Arm ARM B2.5). They return through the
 * recovery point then. */
uint64_t mem_load_acquire(struct cpu *cpu, uint64_t addr, unsigned size);
void mem_store_release(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t value);
uint64_t mem_load_exclusive(struct cpu *cpu, uint64_t addr, unsigned size);
uint64_t mem_store_exclusive(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t value);
union vec mem_load_exclusive_pair(struct cpu *cpu, uint64_t addr);
uint64_t mem_store_exclusive_pair(struct cpu *cpu, uint64_t addr, union vec value);
uint64_t mem_atomic(struct cpu *cpu, uint64_t addr, unsigned size, enum atomic_op op, uint64_t value);
uint64_t mem_compare_and_swap(struct cpu *cpu, uint64_t addr, unsigned size, uint64_t expected, uint64_t value);
union vec mem_compare_and_swap_pair(struct cpu *cpu, uint64_t addr, union vec expected, union vec value);

/* Returns addr, or faults as an ordered access of 1 << size bytes does. */
uint64_t mem_aligned(struct cpu *cpu, uint64_t addr, unsigned size);

/* 16 bytes at once; ATOMIC_CLR, ATOMIC_SET or ATOMIC_SWP. */
union vec mem_atomic_pair(struct cpu *cpu, uint64_t addr, enum atomic_op op, union vec value);

/* FEAT_MOPS, option A: a size below zero counts up to zero, from addresses that stand behind the end; a size above
 * counts down, from the end of what the addresses begin. Does a part that stays within a page, so that a fault leaves
 * nothing half done, and returns the size that is left. The flag C says of a main part's or epilogue's registers that
 * they are option B's: mem_copy_size() returns the size where that isn't so, and else leaves by the recovery point. */
uint64_t mem_copy_size(struct cpu *cpu, uint64_t size, uint64_t nzcv);
uint64_t mem_copy_part(uint64_t to, uint64_t from, int64_t size);
uint64_t mem_set_part(uint64_t to, uint64_t value, int64_t size);

/* DMB, DSB and ISB with this CRm: loads only (xx01) and stores only (xx10) need nothing under x86-TSO. */
static inline void mem_barrier(unsigned crm)
{
    if ((crm & 3) == 3)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* DC ZVA: 64 bytes, aligned downwards. */
#define ZVA_BYTES 64
void mem_zero_block(uint64_t addr);

/* IC IVAU: code at addr, or at another mapping of the same memory, has changed. */
void mem_code_changed(struct cpu *cpu, uint64_t addr);

/* System registers by op0:op1:CRn:CRm:op2. */
#define SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define SYSREG_TPIDR_EL0 SYSREG(3, 3, 13, 0, 2)
#define SYSREG_FPCR SYSREG(3, 3, 4, 4, 0)
#define SYSREG_FPSR SYSREG(3, 3, 4, 4, 1)

/* MRS and MSR of a register that sysreg_known() accepts; reg is op0:op1:CRn:CRm:op2. */
uint64_t sysreg_read(struct cpu *cpu, unsigned reg);
void sysreg_write(struct cpu *cpu, unsigned reg, uint64_t value);
bool sysreg_known(unsigned reg, bool write);

#endif
