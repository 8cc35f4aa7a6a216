/* The block compiler as an engine: finds or makes the code of the block at pc, links it to where control came
 * from, and runs it. Each thread has its own code. */
#include <xemu/jit.h>

#include "passes.h"

#include <xemu/guestmem.h>
#include <xemu/insn.h>
#include <xemu/interp.h>
#include <xemu/log.h>
#include <xemu/mem.h>
#include <xemu/trace.h>

#include <immintrin.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    CODE_BYTES = 32 << 20,
    MAX_SITES = 1 << 20,
    MAX_BLOCKS = 1 << 18,
    HASH_SIZE = 1 << 14,
    MAX_BLOCK = 32,   /* guest instructions */
};

struct jit_block {
    uint64_t pc;
    const void *code;
    struct jit_block *next; /* of the same hash */
};

struct jit {
    struct code_buffer buffer;
    uint8_t *first;      /* where blocks begin, behind the stubs */
    jit_entry *entry;
    bool running;        /* compiled code, or a function that it called, is on the stack */
    struct ir_block *ir; /* the block in work */
    struct jit_block *hash[HASH_SIZE];
    struct jit_block *blocks;
    unsigned block_count;
    struct jit_table_entry table[JIT_TABLE_ENTRIES];
};

#define NO_PC 1 /* not aligned: no block is there */

static void flush(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    cpu->jit_generation = atomic_load_explicit(&code_generation, memory_order_acquire);
    if (jit->block_count) { /* else all is as new: zero */
        memset(jit->hash, 0, sizeof jit->hash);
        memset(jit->table, 0, sizeof jit->table);
    }
    jit->table[0].pc = NO_PC; /* pc 0 belongs here; no other entry can be asked for it */
    jit->buffer.at = jit->first;
    jit->buffer.site_count = 0;
    jit->block_count = 0;
}

static void *reserve(size_t bytes, int prot)
{
    void *memory = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

/* False where the host gives no memory for it, or none that is writable and executable. */
static bool jit_new(struct cpu *cpu)
{
    struct jit *jit = reserve(sizeof *jit, PROT_READ | PROT_WRITE);
    if (!jit)
        return false;
    cpu->jit = jit;
    jit->ir = reserve(sizeof *jit->ir, PROT_READ | PROT_WRITE);
    jit->blocks = reserve(MAX_BLOCKS * sizeof *jit->blocks, PROT_READ | PROT_WRITE);
    jit->buffer.sites = reserve(MAX_SITES * sizeof *jit->buffer.sites, PROT_READ | PROT_WRITE);
    jit->buffer.start = reserve(CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (!jit->ir || !jit->blocks || !jit->buffer.sites || !jit->buffer.start) {
        jit_free(cpu);
        return false;
    }
    jit->buffer.at = jit->buffer.start;
    jit->buffer.end = jit->buffer.start + CODE_BYTES;
    jit->buffer.site_capacity = MAX_SITES;
    backend_init(4);
    memcpy(cpu->constants, backend_constants(), sizeof cpu->constants);
    jit->entry = backend_stubs(&jit->buffer);
    jit->first = jit->buffer.at;
    cpu->jit_table = jit->table;
    cpu->generation = &code_generation;
    flush(cpu);
    return true;
}

void jit_free(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    if (!jit)
        return;
    release(jit->ir, sizeof *jit->ir);
    release(jit->blocks, MAX_BLOCKS * sizeof *jit->blocks);
    release(jit->buffer.sites, MAX_SITES * sizeof *jit->buffer.sites);
    release(jit->buffer.start, CODE_BYTES);
    release(jit, sizeof *jit);
    cpu->jit = NULL;
}

static struct jit_block **bucket(struct jit *jit, uint64_t pc) { return &jit->hash[(pc >> 2) & (HASH_SIZE - 1)]; }

static void verify(const struct ir_block *block)
{
    unsigned where;
    const char *wrong = VERIFY_IR ? ir_verify(block, &where) : NULL;
    if (wrong)
        panic("IR block at %#lx, operation %u: %s", block->pc, where, wrong);
}

static void log_block(const struct ir_block *block)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < block->count; i++)
        bytes += block->insns[i].op == IR_mark ? 4 : 0;
    if (log_on(LOG_IN_ASM))
        log_guest_code(block->pc, bytes);
    if (log_on(LOG_IR))
        log_ir_block(block);
}

/* Compiles the block at pc; shorter blocks are tried when one doesn't fit the back end. */
static const void *compile(struct cpu *cpu, uint64_t pc)
{
    struct jit *jit = cpu->jit;
    const void *code = NULL;

    fetch_check(cpu);
    for (unsigned insns = MAX_BLOCK; insns && !code; insns /= 4) {
        lift_block(jit->ir, pc, insns);
        pass_forward(jit->ir);
        verify(jit->ir);
        if (log_mask)
            log_block(jit->ir);
        code = backend_compile(&jit->buffer, jit->ir);
    }
    return code;
}

static struct jit_block *find(struct jit *jit, uint64_t pc)
{
    for (struct jit_block *block = *bucket(jit, pc); block; block = block->next)
        if (block->pc == pc)
            return block;
    return NULL;
}

/* A log of every block: then control comes back after each. */
static bool logs_blocks(void) { return __builtin_expect(log_mask & (LOG_EXEC | LOG_CPU), 0); }

static const void *code_at(struct cpu *cpu, uint64_t pc)
{
    struct jit *jit = cpu->jit;
    struct jit_block *block = find(jit, pc);

    if (!block) {
        const void *code = jit->block_count < MAX_BLOCKS ? compile(cpu, pc) : NULL;
        if (!code) { /* full */
            flush(cpu);
            code = compile(cpu, pc);
        }
        if (!code)
            panic("no code for the block at %#lx", pc);
        block = &jit->blocks[jit->block_count++];
        *block = (struct jit_block){pc, code, *bucket(jit, pc)};
        *bucket(jit, pc) = block;
    }
    if (!logs_blocks())
        jit->table[(pc >> 2) & (JIT_TABLE_ENTRIES - 1)] = (struct jit_table_entry){pc, block->code};
    return block->code;
}

/* Runs the instruction at pc by its IR: it has what compiled code lacks. */
static enum exit_reason repeat_instruction(struct cpu *cpu)
{
    lift_block(cpu->jit->ir, cpu->pc, 1);
    return ir_eval(cpu, cpu->jit->ir);
}

/* While compiled code runs, invalid operations trap, and IE tells of nothing else: what was raised before is noted in
 * cpu->fpsr. */
enum { MXCSR_IE = 1, MXCSR_IM = 0x80 };

static void arm_traps(struct cpu *cpu)
{
    uint32_t csr = _mm_getcsr();
    cpu->fpsr |= csr & MXCSR_IE;
    _mm_setcsr(csr & ~(uint32_t)(MXCSR_IE | MXCSR_IM));
}

/* After compiled code, also when a function that it called left by the recovery point. */
void jit_leave(struct cpu *cpu)
{
    if (cpu->jit && cpu->jit->running) {
        cpu->jit->running = false;
        cpu->nzcv = jit_unpack_flags(cpu->flags);
        _mm_setcsr(_mm_getcsr() | MXCSR_IM);
    }
}

static struct jit_exit run_code(struct cpu *cpu, const void *code)
{
    cpu->flags = jit_pack_flags(cpu->nzcv);
    cpu->jit->running = true;
    arm_traps(cpu);
    struct jit_exit left = cpu->jit->entry(cpu, code);
    jit_leave(cpu);
    return left;
}

enum exit_reason jit_run(struct cpu *cpu)
{
    static __thread bool denied; /* memory for the compiler */
    uint8_t *link = NULL; /* the jump that led out of compiled code, of the same generation */

    if (!cpu->jit && (denied || (denied = !jit_new(cpu))))
        return interp_run(cpu);
    while (!cpu->stop) {
        if (cpu->jit_generation != atomic_load_explicit(&code_generation, memory_order_acquire)) {
            flush(cpu);
            link = NULL;
        }
        const uint8_t *before = cpu->jit->buffer.at;
        cpu->pc = guest_untag(cpu->pc);
        const void *code = code_at(cpu, cpu->pc);
        if (link && cpu->jit->buffer.at >= before) /* not flushed in between */
            backend_link(link, code);
        if (logs_blocks())
            log_guest_state(cpu);
        struct jit_exit left = run_code(cpu, code);
        link = logs_blocks() ? NULL : left.link;
        if (left.reason == JIT_REPEAT)
            left.reason = repeat_instruction(cpu);
        if (left.reason == EXIT_UNDEFINED)
            cpu->exit_word = (uint32_t)mem_load(cpu->pc, 2);
        if (left.reason != EXIT_BRANCH)
            return (enum exit_reason)left.reason;
    }
    return EXIT_SIGNAL;
}

static const struct fault_site *find_site(const struct code_buffer *buffer, uint64_t rip)
{
    unsigned low = 0, high = buffer->site_count;
    if (rip < (uint64_t)buffer->start || rip >= (uint64_t)buffer->end)
        return NULL;
    uint32_t offset = (uint32_t)(rip - (uint64_t)buffer->start);
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (buffer->sites[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < buffer->site_count && buffer->sites[low].offset == offset ? &buffer->sites[low] : NULL;
}

bool jit_recover(struct cpu *cpu, void *context, bool repeat)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (!cpu->jit || !cpu->jit->running)
        return false;
    const struct fault_site *site = find_site(&cpu->jit->buffer, (uint64_t)regs[REG_RIP]);
    if (!site)
        return false;
    cpu->pc = site->pc;
    ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)MXCSR_IE;
    regs[REG_RIP] = (greg_t)cpu->jit->buffer.exit;
    regs[REG_RAX] = repeat ? JIT_REPEAT : EXIT_FAULT;
    regs[REG_RDX] = 0;
    return true;
}
