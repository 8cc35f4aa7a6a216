/* Critical sections of restartable sequences: where they are, and stores in them. */
#include <xemu/critical.h>

#include <xemu/fault.h>
#include <xemu/guestmem.h>
#include <xemu/mem.h>

#include <linux/rseq.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* --- where they are ------------------------------------------------------------------------------------- */

struct section {
    uint64_t descriptor, start, end, abort;
};

static struct {
    pthread_mutex_t lock;
    _Atomic unsigned count;
    unsigned room;
    struct section *at;
} sections = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The largest section that is believed; those of libraries have some hundred bytes. */
enum { LARGEST = 1 << 16, ALIGNMENT = 32, FLAGS = 7 };

/* Whether the kernel would take it for a descriptor, and it is one of code that is there. */
static bool read_section(uint64_t address, struct section *section)
{
    struct rseq_cs cs;
    uint32_t signature;
    if (address % ALIGNMENT || !guest_range_contains(address, address + sizeof cs) ||
        guest_copy_in(&cs, address, sizeof cs) || cs.version || cs.flags & ~(uint32_t)FLAGS)
        return false;
    *section = (struct section){address, cs.start_ip, cs.start_ip + cs.post_commit_offset, cs.abort_ip};
    return cs.post_commit_offset && cs.post_commit_offset <= LARGEST && (cs.start_ip | cs.abort_ip) % 4 == 0 &&
           cs.abort_ip - cs.start_ip >= cs.post_commit_offset && guest_range_executable(section->start, section->end) &&
           guest_range_executable(cs.abort_ip - 4, cs.abort_ip + 4) &&
           !guest_copy_in(&signature, cs.abort_ip - 4, sizeof signature) && signature == RSEQ_SIGNATURE;
}

/* With the lock held. */
static struct section *find(uint64_t pc)
{
    for (unsigned i = 0; i < sections.count; i++)
        if (pc >= sections.at[i].start && pc < sections.at[i].end)
            return &sections.at[i];
    return NULL;
}

static void forget(uint64_t start)
{
    pthread_mutex_lock(&sections.lock);
    struct section *section = find(start);
    if (section) {
        sections.count--;
        *section = sections.at[sections.count];
    }
    pthread_mutex_unlock(&sections.lock);
}

/* The section that the instruction at pc is in. One whose descriptor has gone, with the code, is none any more. */
static bool known_section(uint64_t pc, struct section *section)
{
    struct section now;
    if (!atomic_load_explicit(&sections.count, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&sections.lock);
    const struct section *found = find(pc);
    if (found)
        *section = *found;
    pthread_mutex_unlock(&sections.lock);
    if (!found)
        return false;
    if (read_section(section->descriptor, &now) && now.start == section->start && now.end == section->end &&
        now.abort == section->abort)
        return true;
    forget(section->start);
    return false;
}

/* With the lock held. Without memory for it the section is none: as where nobody preempts. */
static void add(const struct section *section)
{
    if (sections.count == sections.room) {
        unsigned room = sections.room ? 2 * sections.room : 16;
        struct section *at = reallocarray(sections.at, room, sizeof *at);
        if (!at)
            return;
        sections.at = at;
        sections.room = room;
    }
    sections.at[sections.count] = *section;
    sections.count++;
}

static bool look(uint64_t address)
{
    struct section section;
    if (!read_section(address, &section))
        return false;
    pthread_mutex_lock(&sections.lock);
    struct section *known = find(section.start);
    if (known)
        *known = section;
    else
        add(&section);
    pthread_mutex_unlock(&sections.lock);
    return true;
}

bool critical_scan(struct critical_scan *scan, const struct a64_insn *in)
{
    if (in->op == A64_ADRP)
        *scan = (struct critical_scan){(in->pc & ~0xfffull) + (uint64_t)in->imm, in->rd};
    else if (in->op == A64_ADD_I && in->rn == scan->rd && in->sf)
        return look(scan->page + (uint64_t)in->imm);
    else if (in->op == A64_ADR)
        return look(in->pc + (uint64_t)in->imm);
    return false;
}

uint64_t critical_section_at(uint64_t pc)
{
    struct section section;
    return known_section(pc, &section) ? section.descriptor : 0;
}

void critical_fork_prepare(void) { pthread_mutex_lock(&sections.lock); }
void critical_fork_done(void) { pthread_mutex_unlock(&sections.lock); }

/* --- stores -------------------------------------------------------------------------------------------- */

static volatile uint64_t *rseq_cs_of(const struct cpu *cpu)
{
    return (volatile uint64_t *)(cpu->rseq + offsetof(struct rseq, rseq_cs));
}

/* From the guest's section into one of the host's, which ends behind the store; and back, unless the kernel has cleared
 * rseq_cs since. A signal for the store itself comes from where the section is aborted to, which the recovery point
 * doesn't mind. */
#define GUARDED(name, type, move, constraint)                                                                       \
    NO_SANITIZE static bool guarded_##name(volatile uint64_t *rseq_cs, uint64_t section, uint64_t addr, type value)   \
    {                                                                                                               \
        __asm__ goto(".pushsection .data.rel.ro, \"aw\"\n"                                                          \
                     "   .balign 32\n"                                                                              \
                     "9: .long 0, 0\n"                                                                              \
                     "   .quad 1f, 2f - 1f, 3f\n"                                                                   \
                     ".popsection\n"                                                                                \
                     "   movq %[section], %%rax\n"                                                                  \
                     "   leaq 9b(%%rip), %%rcx\n"                                                                   \
                     "   cmpxchgq %%rcx, (%[rseq_cs])\n"                                                            \
                     "1: jne %l[aborted]\n"                                                                         \
                     "   " move " %[value], (%[addr])\n"                                                            \
                     "2: movq %%rcx, %%rax\n"                                                                       \
                     "   cmpxchgq %[section], (%[rseq_cs])\n"                                                       \
                     ".pushsection .text.unlikely, \"ax\"\n"                                                        \
                     "   .long %c[signature]\n"                                                                     \
                     "3: jmp %l[aborted]\n"                                                                         \
                     ".popsection"                                                                                  \
                     :                                                                                              \
                     : [rseq_cs] "r"(rseq_cs), [section] "r"(section), [addr] "r"(addr), [value] constraint(value), \
                       [signature] "i"(RSEQ_SIGNATURE)                                                              \
                     : "rax", "rcx", "memory", "cc"                                                                 \
                     : aborted);                                                                                    \
        return true;                                                                                                \
    aborted:                                                                                                        \
        return false;                                                                                               \
    }
GUARDED(1, uint8_t, "movb", "q")
GUARDED(2, uint16_t, "movw", "r")
GUARDED(4, uint32_t, "movl", "r")
GUARDED(8, uint64_t, "movq", "r")
GUARDED(16, __m128i, "movups", "x")

static bool guarded_store(struct cpu *cpu, uint64_t section, uint64_t addr, unsigned size, uint64_t value)
{
    volatile uint64_t *rseq_cs = rseq_cs_of(cpu);
    switch (size) {
    case 0:
        return guarded_1(rseq_cs, section, addr, (uint8_t)value);
    case 1:
        return guarded_2(rseq_cs, section, addr, (uint16_t)value);
    case 2:
        return guarded_4(rseq_cs, section, addr, (uint32_t)value);
    default:
        return guarded_8(rseq_cs, section, addr, value);
    }
}

void critical_store(struct cpu *cpu, uint64_t addr, int64_t imm, uint64_t value)
{
    unsigned size = imm & 7;
    uint64_t section = (uint64_t)imm >> CRITICAL_SHIFT;
    bool release = imm & CRITICAL_RELEASE;
    if (release)
        addr = mem_aligned(cpu, addr, size);
    if (!cpu->rseq)
        mem_store(addr, size, value);
    else if (!guarded_store(cpu, section, guest_untag(addr), size, value))
        fault_raise(cpu, 0, FAULT_CRITICAL, 0);
    if (release)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void critical_store_vec(struct cpu *cpu, uint64_t addr, int64_t imm, union vec value)
{
    if ((imm & 7) < 4)
        critical_store(cpu, addr, imm, value.d[0]);
    else if (!cpu->rseq)
        mem_store_vec(addr, 4, value);
    else if (!guarded_16(rseq_cs_of(cpu), (uint64_t)imm >> CRITICAL_SHIFT, guest_untag(addr), (__m128i)value.q))
        fault_raise(cpu, 0, FAULT_CRITICAL, 0);
}

void critical_abort(struct cpu *cpu)
{
    struct section section;
    uint64_t address = cpu->rseq + offsetof(struct rseq, rseq_cs), now, none = 0;
    if (!cpu->rseq || !known_section(cpu->pc, &section) || guest_copy_in(&now, address, sizeof now))
        return;
    if (!now || now == section.descriptor) {
        guest_copy_out(address, &none, sizeof none);
        cpu->pc = section.abort;
    }
}
