/* The interpreter: decoded instructions are kept by basic block, and each one's handler calls the next one's. */
#include <xemu/interp.h>

#include "interp_vocabulary.h"
#include "meanings.inc"

#include <xemu/critical.h>
#include <xemu/guestmem.h>
#include <xemu/landing.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/trace.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

struct entry;
typedef enum exit_reason handler(struct cpu *cpu, const struct entry *entry);

/* A decoded instruction; a block is an array of them that ends with a branch or with end_of_block, and then an
 * entry whose place the links take. */
struct entry {
    handler *run;
    struct a64_insn in;
};

/* Where a block went on before: a pc and the first entry of its block, of the same generation of code. */
struct links {
    struct {
        uint64_t pc;
        const struct entry *entry;
    } to[2];
};

struct block {
    uint64_t pc;
    unsigned landing; /* which branches may come here: landing.h */
    struct block *next; /* of the same hash */
    struct entry entries[];
};

#define NO_PC 1 /* not aligned: no block is there, but the guest may branch to it */
enum { HASH_SIZE = 1 << 14, SMALL_HASH_SIZE = 1 << 10, MAX_BLOCK = 64, PAGE = 4096, ARENA_BYTES = 16 << 20 };
/* Beside the compiler, which takes over what is run often: the rest need not be kept for long. */
enum { SMALL_ARENA_BYTES = 128 << 10 };

struct interp {
    uint64_t generation; /* of guest code, when the blocks were decoded */
    const struct entry *left; /* the last entry of the block that control came from, or null */
    size_t used;         /* bytes of the arena */
    size_t size;         /* of it, in bytes */
    char *arena;         /* touched as it fills */
    unsigned hash_size;
    struct block *hash[]; /* a power of two of them */
};

/* --- handlers ----------------------------------------------------------------------------------------- */

/* Whether calls in tail position are jumps (-O2): then a block goes on with the next one itself, and the host
 * predicts each block's successor on its own. Otherwise interp_run() loops. */
#ifdef XEMU_TAIL_CALLS
enum { TAIL_CALLS = true };
#else
enum { TAIL_CALLS = false };
#endif

/* The thread will land outside of this block's links: where that is allowed is found out there. A block that a link
 * leads to has been reached by the same branch before. */
static enum exit_reason leave_links(struct cpu *cpu, const struct entry *last, enum branch_kind kind)
{
    if (kind == BRANCH_GUARDED && !guest_range_guarded(last->in.pc))
        kind = BRANCH_PLAIN;
    landing_begin(cpu, kind);
    cpu->interp->left = last;
    return EXIT_BRANCH;
}

static inline __attribute__((always_inline)) enum exit_reason leave_block(struct cpu *cpu, const struct entry *last,
                                                                          enum branch_kind kind)
{
    const struct links *links = (const struct links *)(last + 1);
    if (TAIL_CALLS && !cpu->stop &&
        cpu->interp->generation == atomic_load_explicit(&code_generation, memory_order_acquire)) {
        if (links->to[0].pc == cpu->pc)
            return links->to[0].entry->run(cpu, links->to[0].entry);
        if (links->to[1].pc == cpu->pc)
            return links->to[1].entry->run(cpu, links->to[1].entry);
    }
    return leave_links(cpu, last, kind);
}

static enum exit_reason nowhere(struct cpu *cpu, const struct entry *entry)
{
    (void)entry;
    cpu->interp->left = NULL;
    return EXIT_BRANCH;
}

static const struct entry no_block = {.run = nowhere};
static const struct links no_links = {{{NO_PC, &no_block}, {NO_PC, &no_block}}};

static enum exit_reason end_of_block(struct cpu *cpu, const struct entry *entry)
{
    cpu->pc = entry->in.pc;
    return leave_block(cpu, entry, BRANCH_RETURN);
}

static enum exit_reason undefined(struct cpu *cpu, const struct entry *entry)
{
    cpu->pc = entry->in.pc;
    cpu->exit_word = entry->in.word;
    return EXIT_UNDEFINED;
}

/* The instruction is done. */
static enum exit_reason leave_behind(struct cpu *cpu, const struct entry *entry)
{
    cpu->pc = entry->in.pc + 4;
    return EXIT_CODE;
}

/* A load or store of a critical section: by its IR, which knows of these. */
static enum exit_reason critical(struct cpu *cpu, const struct entry *entry)
{
    cpu->pc = entry->in.pc;
    enum exit_reason reason = engine_instruction(cpu);
    return reason == EXIT_BRANCH ? entry[1].run(cpu, entry + 1) : reason;
}

/* One meaning, compiled for a width and for what `assumption` says of the instruction. The last call is a jump
 * where the compiler optimises; a block bounds the depth where it doesn't. */
#define HANDLER(name, variant, width, assumption)                                             \
    static enum exit_reason run_##name##_##variant(struct cpu *cpu, const struct entry *entry) \
    {                                                                                         \
        const struct a64_insn *in = &entry->in;                                               \
        struct cx cx = {cpu, in->pc, width, NO_EXIT, BRANCH_RETURN, false};                   \
        if (!(assumption))                                                                    \
            __builtin_unreachable();                                                          \
        sem_##name(&cx, in);                                                                  \
        if (cx.exit == EXIT_BRANCH)                                                           \
            return leave_block(cpu, entry, cx.kind);                                          \
        if (cx.exit != NO_EXIT)                                                               \
            return cx.exit;                                                                   \
        if (cx.sp_moved && __builtin_expect(cpu->x[31] % 16, 0))                              \
            return leave_behind(cpu, entry);                                                  \
        return entry[1].run(cpu, entry + 1);                                                  \
    }

/* Meanings with a width in sf come in both; those with an element size in sizes and vector lengths that are hot. */
#define A64_SEM_PLAIN(name) HANDLER(name, 0, 64, true)
#define A64_SEM_SF(name) HANDLER(name, 0, 32, true) HANDLER(name, 1, 64, true)
#define SIZED(name, variant, q_, esz_) HANDLER(name, variant, 64, in->q == q_ && !in->scalar && in->esz == esz_)
#define A64_SEM_ESZ(name)                                                                       \
    HANDLER(name, 0, 64, true)                                                                  \
    SIZED(name, 1, 0, 0) SIZED(name, 2, 0, 1) SIZED(name, 3, 0, 2) SIZED(name, 4, 0, 3)         \
    SIZED(name, 5, 1, 0) SIZED(name, 6, 1, 1) SIZED(name, 7, 1, 2) SIZED(name, 8, 1, 3)
#include "a64_rows.inc"

/* The handlers of all meanings, one after the other: the first of each. */
enum {
    FIRST_undefined,
#define A64_SEM_PLAIN(name) FIRST_##name,
#define A64_SEM_SF(name) FIRST_##name, LAST_##name = FIRST_##name + 1,
#define A64_SEM_ESZ(name) FIRST_##name, LAST_##name = FIRST_##name + 8,
#include "a64_rows.inc"
};

static handler *const handlers[] = {
    undefined,
#define A64_SEM_PLAIN(name) run_##name##_0,
#define A64_SEM_SF(name) run_##name##_0, run_##name##_1,
#define A64_SEM_ESZ(name)                                                                       \
    run_##name##_0, run_##name##_1, run_##name##_2, run_##name##_3, run_##name##_4,             \
    run_##name##_5, run_##name##_6, run_##name##_7, run_##name##_8,
#include "a64_rows.inc"
};

enum class { CLASS_PLAIN, CLASS_SF, CLASS_ESZ };

/* Of each row: numbers, as addresses would have to be relocated whenever the program starts. */
static const struct {
    uint16_t class, first;
} rows[A64_OP_COUNT] = {
#define A64_HANDLED(name, meaning, class) [A64_##name] = {CLASS_##class, FIRST_##meaning},
#include "a64_rows.inc"
};

static handler *handler_of(const struct a64_insn *in)
{
    unsigned variant = 0;
    switch ((enum class)rows[in->op].class) {
    case CLASS_PLAIN:
        break;
    case CLASS_SF:
        variant = a64_has_sf(in->op) ? in->sf : 1;
        break;
    case CLASS_ESZ:
        if (!in->scalar && in->esz <= 3)
            variant = 1u + 4u * in->q + in->esz;
        break;
    }
    return handlers[rows[in->op].first + variant];
}

/* --- blocks ------------------------------------------------------------------------------------------- */

/* Branches and exceptions (Arm ARM C4.1.93), but not the system instructions among them. */
static bool ends_block(uint32_t word) { return (word >> 26 & 7) == 5 && word >> 22 != 0x354; }

/* Main part and epilogue of memory copy and set (FEAT_MOPS). */
static bool repeats_itself(const struct a64_insn *in)
{
    return (in->op == A64_CPY || in->op == A64_CPYF || in->op == A64_SET) && in->imm >> 4;
}

static void flush(struct interp *interp, uint64_t generation)
{
    memset(interp->hash, 0, interp->hash_size * sizeof *interp->hash);
    interp->used = 0;
    interp->left = NULL;
    interp->generation = generation;
}

static struct interp *interp_new(void)
{
    bool alone = options.engine == ENGINE_INTERP;
    unsigned heads = alone ? HASH_SIZE : SMALL_HASH_SIZE;
    struct interp *interp = calloc(1, sizeof *interp + heads * sizeof *interp->hash);
    size_t size = alone ? ARENA_BYTES : SMALL_ARENA_BYTES;
    void *arena = own_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (!interp || !arena)
        die(126, "not enough memory for the interpreter's cache");
    interp->arena = arena;
    interp->size = size;
    interp->hash_size = heads;
    return interp;
}

void interp_free(struct cpu *cpu)
{
    if (!cpu->interp)
        return;
    munmap(cpu->interp->arena, cpu->interp->size);
    free(cpu->interp);
    cpu->interp = NULL;
}

static struct block **bucket(struct interp *interp, uint64_t pc)
{
    return &interp->hash[(pc >> 4 ^ pc >> 18) & (interp->hash_size - 1)];
}

void fetch_check(struct cpu *cpu)
{
    uint64_t pc = cpu->pc = (uint64_t)((int64_t)(cpu->pc << 8) >> 8);
    if (pc & 3)
        fault_raise(cpu, SIGBUS, BUS_ADRALN, pc);
    if (guest_range_executable(pc, pc + 4))
        return;
    cpu->fault = (struct fault){
        .signo = SIGSEGV,
        .code = guest_range_contains(pc, pc + 4) ? SEGV_ACCERR : SEGV_MAPERR,
        .addr = pc,
        .exec = true,
    };
    longjmp(*cpu->recover, 1);
}

static struct block *find_block(struct cpu *cpu, uint64_t pc);

/* Decodes from pc to the first branch, the end of the page or MAX_BLOCK instructions. */
static struct block *decode_block(struct cpu *cpu, uint64_t pc)
{
    struct interp *interp = cpu->interp;
    size_t room = sizeof(struct block) + (MAX_BLOCK + 2) * sizeof(struct entry);

    fetch_check(cpu);
    if (cpu->pc != pc)
        return find_block(cpu, cpu->pc);
    if (interp->used + room > interp->size)
        flush(interp, interp->generation);
    struct block *block = (struct block *)(interp->arena + interp->used);
    struct entry *entry = block->entries;
    uint64_t end = (pc & ~(uint64_t)(PAGE - 1)) + PAGE, at = pc;
    bool ended = false;
    struct critical_scan scan = CRITICAL_SCAN;

    for (int n = 0; !ended && at < end && n < MAX_BLOCK; n++, at += 4, entry++) {
        uint32_t word = (uint32_t)mem_load(at, 2);
        a64_decode(word, at, &entry->in);
        entry->run = handler_of(&entry->in);
        ended = ends_block(word) || repeats_itself(&entry->in) || entry->run == undefined;
        critical_scan(&scan, &entry->in);
        if (__builtin_expect(critical_section_at(at) && a64_is_access(word) && !ended, 0))
            entry->run = critical;
    }
    if (!ended) {
        entry->run = end_of_block;
        entry->in.pc = at;
        entry++;
    }
    _Static_assert(sizeof(struct links) <= sizeof(struct entry), "the links take an entry's place");
    *(struct links *)entry = no_links;
    interp->used = (size_t)((char *)(entry + 1) - interp->arena);
    block->pc = pc;
    block->landing = landing_at(pc);
    block->next = *bucket(interp, pc);
    *bucket(interp, pc) = block;
    if (log_mask)
        log_code(pc, (size_t)(at - pc), NULL, NULL);
    return block;
}

static struct block *find_block(struct cpu *cpu, uint64_t pc)
{
    struct interp *interp = cpu->interp;
    uint64_t generation = atomic_load_explicit(&code_generation, memory_order_acquire);

    if (__builtin_expect(interp->generation != generation, 0))
        flush(interp, generation);
    for (struct block *block = *bucket(interp, pc); block; block = block->next)
        if (block->pc == pc)
            return block;
    return decode_block(cpu, pc);
}

/* The block before goes on with `block` next time; the older of its two links gives way. */
static void link_block(struct interp *interp, const struct block *block)
{
    if (!interp->left || log_mask & (LOG_EXEC | LOG_CPU)) /* a log has every block */
        return;
    struct links *links = (struct links *)(interp->left + 1);
    links->to[1] = links->to[0];
    links->to[0].pc = block->pc;
    links->to[0].entry = block->entries;
    interp->left = NULL;
}

enum exit_reason interp_run(struct cpu *cpu)
{
    if (!cpu->interp)
        cpu->interp = interp_new();
    cpu->interp->left = NULL;
    while (!cpu->stop) {
        const struct block *block = find_block(cpu, cpu->pc);
        if (!landing_end(cpu, block->landing))
            return EXIT_BRANCH_TARGET;
        link_block(cpu->interp, block);
        if (__builtin_expect(log_mask & (LOG_EXEC | LOG_CPU), 0))
            log_guest_state(cpu);
        enum exit_reason reason = block->entries[0].run(cpu, block->entries);
        if (reason != EXIT_BRANCH)
            return reason;
    }
    return EXIT_SIGNAL;
}

enum exit_reason interp_instruction(struct cpu *cpu)
{
    struct entry entries[3] = {0};
    uint32_t word = (uint32_t)mem_load(cpu->pc, 2);
    if (!cpu->interp)
        cpu->interp = interp_new();
    a64_decode(word, cpu->pc, &entries[0].in);
    entries[0].run = handler_of(&entries[0].in);
    bool ended = ends_block(word) || repeats_itself(&entries[0].in) || entries[0].run == undefined;
    entries[1] = (struct entry){.run = end_of_block, .in.pc = cpu->pc + 4};
    *(struct links *)&entries[ended ? 1 : 2] = no_links;
    enum exit_reason reason = entries[0].run(cpu, entries);
    cpu->interp->left = NULL;
    return reason;
}

enum exit_reason interp_block(struct cpu *cpu)
{
    if (!cpu->interp)
        cpu->interp = interp_new();
    cpu->interp->left = NULL; /* blocks aren't linked here, so that one ends where the next begins */
    const struct block *block = find_block(cpu, cpu->pc);
    return landing_end(cpu, block->landing) ? block->entries[0].run(cpu, block->entries) : EXIT_BRANCH_TARGET;
}
