/* The block compiler as an engine: finds or makes the code of the block at pc, links it to where control came
 * from, and runs it. */
#include "passes.h"
#include "store.h"

#include <xemu/fault.h>
#include <xemu/insn.h>
#include <xemu/interp.h>
#include <xemu/landing.h>
#include <xemu/log.h>
#include <xemu/mem.h>
#include <xemu/options.h>
#include <xemu/profile.h>
#include <xemu/report.h>
#include <xemu/trace.h>

#include <immintrin.h>
#include <time.h>

enum { MAX_BLOCK = PROFILE_INSNS }; /* guest instructions */

/* A log of every block: then control comes back after each. */
static bool logs_blocks(void) { return __builtin_expect(log_mask & (LOG_EXEC | LOG_CPU), 0); }

/* Whether code behind a branch or a call is worth compiling with what is before it: often it is never reached. In a log
 * it is a block of its own. */
static bool is_warm(uint64_t pc)
{
    if (logs_blocks())
        return false;
    return options.engine == ENGINE_JIT || profile_on() || heat_is_warm(pc);
}

static void verify(const struct ir_block *block)
{
    unsigned where;
    const char *wrong = VERIFY_IR ? ir_verify(block, &where) : NULL;
    if (wrong)
        panic("IR block at %#lx, operation %u: %s", block->pc, where, wrong);
}

static uint16_t guest_bytes(const struct ir_block *block)
{
    uint16_t bytes = 0;
    for (unsigned i = 0; i < block->count; i++)
        bytes = (uint16_t)(bytes + (block->insns[i].op == IR_mark ? 4 : 0));
    return bytes;
}

static void log_block(const struct ir_block *ir, const struct jit_block *block, const struct block_profile *profile)
{
    struct host_code host = {block->code, block->host_bytes, (uint64_t)cache_executable(block->code),
                             profile ? &profile->code : NULL};
    log_code(block->pc, block->guest_bytes, ir, &host);
}

void jit_watch_fpsr(void)
{
    if (!atomic_exchange(&backend_exact_underflow, true))
        jit_retire(0, UINT64_MAX);
}

/* Reads the block at cpu->pc from guest memory, which may fault. */
static void lift(struct cpu *cpu, unsigned insns)
{
    struct jit *jit = cpu->jit;
    jit->lift_is_stale = false;
    atomic_store(&jit->lifting, cpu->pc & ~(uint64_t)(PAGE - 1)); /* before the first byte is read */
    fetch_check(cpu);
    lift_block(jit->ir, cpu->pc, insns, is_warm);
    verify(jit->ir);
    pass_conditions(jit->ir);
    verify(jit->ir);
    pass_flags(jit->ir);
    verify(jit->ir);
    pass_fold(jit->ir);
    verify(jit->ir);
}

/* With the lock held: adds what lift() made, unless somebody else was faster. */
static enum cache_answer add(const struct ir_block *ir, const struct jit_block *made, struct block_profile *profile,
                             struct jit_block **block)
{
    if ((*block = cache_find(ir->pc)))
        return CACHE_ADDED;
    enum cache_answer answer = cache_add(ir, made, profile, block);
    if (answer == CACHE_ADDED && !logs_blocks())
        links_of_new(*block);
    return answer;
}

/* For --stats, else 0. */
static uint64_t now_ns(void)
{
    struct timespec now = {0};
    if (options.stats != STATS_NONE)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The time since then, without that of looking at the clock: more than a microsecond on some virtual machines. */
static uint64_t ns_since(uint64_t started)
{
    uint64_t now = now_ns(), look = now_ns() - now;
    return now - started > look ? now - started - look : 0;
}

/* Compiles the block at cpu->pc; shorter blocks are tried when one doesn't fit the back end. Null: there is no room
 * before other threads have left the code that is to make room. */
static struct jit_block *compile(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    struct jit_block *block = NULL;
    uint64_t started = now_ns();
    uint32_t place = 0;
    unsigned file = store_ready() ? store_place(cpu->pc, &place) : 0;
    struct block_profile *profile = profile_new(cpu->pc);
    perf_learn(cpu->pc);
    enum cache_answer answer = CACHE_TOO_BIG;
    for (unsigned insns = MAX_BLOCK; answer == CACHE_TOO_BIG; insns /= 2) {
        if (!insns)
            panic("no code for the instruction at %#lx", cpu->pc);
        bool stale;
        do {
            lift(cpu, insns);
            if (profile)
                profile_source(profile, jit->ir);
            struct jit_block made = {
                .pc = cpu->pc,
                .guest_bytes = guest_bytes(jit->ir),
                .read_before = (uint16_t)(cpu->pc - jit->ir->read_start),
                .read_bytes = (uint16_t)(jit->ir->read_end - jit->ir->read_start),
                .guest_hash = file ? store_hash(jit->ir->read_start, jit->ir->read_end) : 0,
                .store_place = place,
                .store_file = (uint8_t)file,
                .landing = (uint8_t)landing_at(cpu->pc),
            };
            pthread_mutex_lock(&cache.lock);
            stale = jit->lift_is_stale;
            if (!stale)
                answer = add(jit->ir, &made, profile, &block);
            atomic_store_explicit(&jit->lifting, NO_PC, memory_order_relaxed);
            pthread_mutex_unlock(&cache.lock);
        } while (stale);
    }
    jit->stats.compile_ns += ns_since(started);
    if (block && log_mask)
        log_block(jit->ir, block, profile);
    profile_done(profile);
    return block;
}

static struct jit_block *timed_compile(struct cpu *cpu)
{
    report_enter(cpu, PART_COMPILE);
    struct jit_block *block = compile(cpu);
    report_enter(cpu, PART_DISPATCH);
    return block;
}

/* Runs the instruction at pc by its IR: it has what compiled code lacks. */
static enum exit_reason repeat_instruction(struct cpu *cpu)
{
    lift_block(cpu->jit->ir, cpu->pc, 1, NULL);
    return ir_eval(cpu, cpu->jit->ir);
}

static void arm_traps(struct cpu *cpu)
{
    uint32_t csr = _mm_getcsr();
    cpu->fpsr |= csr & MXCSR_IE;
    _mm_setcsr(csr & ~(uint32_t)(MXCSR_IE | MXCSR_IM));
}

/* How often the instruction at a pc has trapped, up to OFTEN, since it is there. Instructions may share a count, and
 * threads may lose some: what depends on it is speed only. */
enum { TRAP_ENTRIES = 1 << 12, OFTEN = 16 };
static _Atomic uint8_t traps[TRAP_ENTRIES];

static _Atomic uint8_t *traps_of(uint64_t pc) { return &traps[(pc >> 2) & (TRAP_ENTRIES - 1)]; }

bool jit_traps_often(uint64_t pc) { return atomic_load_explicit(traps_of(pc), memory_order_relaxed) >= OFTEN; }

static _Atomic bool any_traps, any_traps_often;

bool jit_traps_within(uint64_t start, uint64_t end)
{
    bool often = false;
    for (uint64_t pc = start; any_traps_often && pc < end && !often; pc += 4)
        often = jit_traps_often(pc);
    return often;
}

/* The instructions in [start, end) are others now. */
static void forget_traps(uint64_t start, uint64_t end)
{
    uint64_t count = end > start ? (end - start + 3) / 4 : 0;
    if (any_traps)
        for (uint64_t i = 0; i < count && i < TRAP_ENTRIES; i++)
            atomic_store_explicit(traps_of(start + 4 * i), 0, memory_order_relaxed);
}

void jit_code_changed(uint64_t start, uint64_t end)
{
    forget_traps(start, end);
    jit_retire(start, end);
}

static void count_trap(struct jit *jit, uint64_t pc)
{
    jit->trapped = false;
    jit->stats.traps++;
    any_traps = true;
    if (!jit_traps_often(pc) && atomic_fetch_add_explicit(traps_of(pc), 1, memory_order_relaxed) + 1 == OFTEN) {
        any_traps_often = true;
        jit_retire(pc, pc + 4); /* and compiled anew with functions */
    }
}

/* Does what compiled code could not: one instruction; or all of the block where FPCR asks for what the host's unit does
 * not do, which will go on. */
static enum exit_reason repeat(struct cpu *cpu)
{
    cpu->jit->stats.faults_repaired++;
    if (cpu->jit->trapped)
        count_trap(cpu->jit, cpu->pc);
    return cpu->fp_host ? repeat_instruction(cpu) : interp_block(cpu);
}

/* After compiled code, also when a function that it called left by the recovery point. */
static void leave_code(struct cpu *cpu)
{
    if (cpu->jit->in_code) {
        uint32_t recipe = cpu->jit->recipe;
        cpu->jit->in_code = false;
        cpu->jit->recipe = 0;
        cpu->nzcv = recipe ? fault_flags(cpu, recipe) : jit_unpack_flags(cpu->flags);
        _mm_setcsr(_mm_getcsr() | MXCSR_IM);
    }
}

void jit_leave(struct cpu *cpu)
{
    if (!cpu->jit)
        return;
    leave_code(cpu);
    atomic_store_explicit(&cpu->jit->lifting, NO_PC, memory_order_relaxed);
    atomic_store_explicit(&cpu->jit->reading, false, memory_order_release);
}

static struct jit_exit run_code(struct cpu *cpu, const struct jit_block *block)
{
    cpu->flags = jit_pack_flags(cpu->nzcv);
    cpu->jit->in_code = true;
    arm_traps(cpu);
    report_enter(cpu, PART_CODE);
    struct jit_exit left = cache.entry(cpu, cache_executable(block->code));
    report_enter(cpu, PART_DISPATCH);
    leave_code(cpu);
    if (left.link)
        cpu->pc = cache.links[left.link].target;
    return left;
}

/* Control came to the block from compiled code: by this link, or else by an indirect branch. */
static void arrive(struct jit *jit, struct jit_block *block, uint64_t link, enum branch_kind kind)
{
    if (logs_blocks())
        return;
    if (!link) {
        thread_remember(jit, block, kind);
    } else if (link_is_open(&cache.links[link])) {
        pthread_mutex_lock(&cache.lock);
        link_to(&cache.links[link], block);
        pthread_mutex_unlock(&cache.lock);
    }
}

/* The block at cpu->pc. Null: it is to be interpreted this time. The disk is asked when it is seen first, and before it
 * is compiled. */
static struct jit_block *find_or_make(struct cpu *cpu)
{
    struct jit_block *block = cache_find(cpu->pc);
    if (block)
        return block;
    unsigned runs = options.engine == ENGINE_JIT || profile_on() ? HOT : heat_add(cpu->pc);
    children_note(cpu->pc);
    if ((runs == 0 || runs == HOT) && store_ready() && (block = store_load(cpu)))
        return block;
    return runs == HOT ? timed_compile(cpu) : NULL;
}

static enum exit_reason run_blocks(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    bool from_code = false; /* since the last safe point */
    uint64_t link = 0;
    while (!cpu->stop) {
        if (thread_safe_point(jit))
            from_code = false;
        cpu->pc = guest_untag(cpu->pc);
        jit->stats.lookups++;
        struct jit_block *block = find_or_make(cpu);
        struct jit_exit left = {0};
        if (logs_blocks())
            log_guest_state(cpu);
        if (block) {
            enum branch_kind kind = landing_kind(cpu);
            if (!landing_end(cpu, block->landing))
                return EXIT_BRANCH_TARGET;
            if (from_code)
                arrive(jit, block, link, kind);
            left = run_code(cpu, block);
        } else {
            report_enter(cpu, PART_INTERPRETER);
            left.reason = interp_block(cpu);
            report_enter(cpu, PART_DISPATCH);
        }
        from_code = block;
        link = left.link;
        if (left.reason == JIT_REPEAT)
            left.reason = repeat(cpu);
        if (left.reason == EXIT_UNDEFINED)
            cpu->exit_word = (uint32_t)mem_load(cpu->pc, 2);
        if (left.reason != EXIT_BRANCH)
            return (enum exit_reason)left.reason;
    }
    return EXIT_SIGNAL;
}

/* Makes the block at cpu->pc. */
static void make_for_children(void *arg)
{
    struct cpu *cpu = arg;
    struct jit_block *block = store_ready() ? store_load(cpu) : NULL;
    if (!block && !(block = compile(cpu)))
        return;
    for (int kind = BRANCH_PLAIN; kind <= BRANCH_CALL; kind++)
        if (block->landing >> kind & 1)
            thread_remember(cpu->jit, block, (enum branch_kind)kind);
    cpu->jit->stats.blocks_for_children++;
}

static void serve_children(struct cpu *cpu)
{
    uint64_t own_pc = cpu->pc;
    unsigned wanted = 0;
    report_enter(cpu, PART_COMPILE);
    for (; children_want(&cpu->pc); wanted++)
        if (cpu->pc && !cache_find(cpu->pc) && guest_try(make_for_children, cpu)) /* it cannot be read */
            atomic_store_explicit(&cpu->jit->lifting, NO_PC, memory_order_relaxed);
    cpu->pc = own_pc;
    report_enter(cpu, PART_DISPATCH);
    if (!wanted || logs_blocks())
        return;
    pthread_mutex_lock(&cache.lock);
    links_of_all();
    pthread_mutex_unlock(&cache.lock);
}

enum exit_reason jit_run(struct cpu *cpu)
{
    if (!cpu->jit && (!cache_ready() || !(cpu->jit = thread_new(cpu))))
        return interp_run(cpu);
    atomic_store(&cpu->jit->reading, true); /* before the first look-up */
    serve_children(cpu);
    enum exit_reason reason = run_blocks(cpu);
    atomic_store_explicit(&cpu->jit->reading, false, memory_order_release);
    return reason;
}
