/* What each thread has of its own: the table of indirect branches, the stack of return points, its safe points. */
#include "store.h"

#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/symbols.h>

#include <string.h>
#include <sys/mman.h>

/* All in one mapping; what isn't touched costs nothing. */
struct own {
    struct jit jit;
    struct ir_block ir;
    _Alignas(PAGE) struct jit_table_entry table[JIT_TABLE_MOST];
    _Alignas(PAGE) uint8_t guard[RETURN_GUARD];
    uint8_t return_stack[RETURN_STACK];
};

uint64_t thread_empty_stack(struct jit *jit)
{
    uint64_t top = (uint64_t)(jit->return_stack + RETURN_STACK) - sizeof top;
    *(const void **)top = cache_executable(cache.stubs.return_empty);
    return top;
}

static void set_entries(struct jit *jit, unsigned entries)
{
    jit->table_entries = entries;
    jit->displaced = 0;
    jit->cpu->jit_table_mask = (uint32_t)((entries - 1) * sizeof *jit->table);
    for (int kind = 0; kind < BRANCH_KINDS; kind++) { /* no other entry can be asked for pc 0 */
        unsigned index = jit_table_index(0, (enum branch_kind)kind, entries);
        jit->table[index].pc = table_no_pc(index);
    }
}

/* Each entry stays or moves up: the index only gets more bits. */
static void grow_table(struct jit *jit)
{
    unsigned old = jit->table_entries, entries = old * 4;
    pthread_mutex_lock(&cache.lock); /* others remove entries */
    for (unsigned i = 0; i < old; i++) {
        struct jit_table_entry *entry = &jit->table[i];
        enum branch_kind kind = (enum branch_kind)(((i - (unsigned)(entry->pc >> 2)) & (old - 1)) / JIT_TABLE_KIND);
        unsigned place = jit_table_index(entry->pc, kind, entries);
        if (!table_has_pc(entry->pc) || place == i)
            continue;
        jit->table[place] = *entry;
        entry->pc = table_no_pc(i);
    }
    set_entries(jit, entries);
    pthread_mutex_unlock(&cache.lock);
}

void thread_forget(struct jit *jit)
{
    if (jit->table_entries)
        madvise(jit->table, jit->table_entries * sizeof *jit->table, MADV_DONTNEED);
    set_entries(jit, JIT_TABLE_LEAST);
    jit->cpu->return_sp = thread_empty_stack(jit);
}

struct jit *thread_new(struct cpu *cpu)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    struct own *own = own_map(sizeof *own, PROT_READ | PROT_WRITE, flags, -1);
    if (!own)
        return NULL;
    if (mprotect(own->guard, RETURN_GUARD, PROT_NONE)) {
        munmap(own, sizeof *own);
        return NULL;
    }
    struct jit *jit = &own->jit;
    jit->cpu = cpu;
    jit->ir = &own->ir;
    jit->table = own->table;
    jit->return_stack = own->return_stack;
    jit->lifting = NO_PC;
    cpu->jit_table = jit->table;
    memcpy(cpu->constants, backend_constants(), sizeof cpu->constants);
    thread_forget(jit);
    pthread_mutex_lock(&cache.lock);
    jit->epoch = cache.epoch;
    jit->next = cache.threads;
    cache.threads = jit;
    pthread_mutex_unlock(&cache.lock);
    return jit;
}

void jit_free(struct cpu *cpu)
{
    struct jit *jit = cpu->jit, **at = &cache.threads;
    if (!jit)
        return;
    pthread_mutex_lock(&cache.lock);
    while (*at != jit)
        at = &(*at)->next;
    *at = jit->next;
    stats_add(&cache.stats, &jit->stats);
    pthread_mutex_unlock(&cache.lock);
    cpu->jit = NULL;
    munmap(jit, sizeof(struct own));
}

bool thread_safe_point(struct jit *jit)
{
    uint64_t epoch = atomic_load(&cache.epoch);
    if (atomic_load_explicit(&jit->epoch, memory_order_relaxed) == epoch)
        return false;
    jit->cpu->return_sp = thread_empty_stack(jit);
    atomic_store(&jit->epoch, epoch);
    return true;
}

void thread_remember(struct jit *jit, const struct jit_block *block, enum branch_kind kind)
{
    unsigned index = jit_table_index(block->pc, kind, jit->table_entries);
    jit->displaced += table_has_pc(jit->table[index].pc) && jit->table[index].pc != block->pc;
    if (jit->displaced > jit->table_entries / 8 && jit->table_entries < JIT_TABLE_MOST) {
        grow_table(jit);
        index = jit_table_index(block->pc, kind, jit->table_entries);
    }
    struct jit_table_entry *entry = &jit->table[index];
    entry->code = cache_executable(block->code);
    __atomic_store_n(&entry->pc, block->pc, __ATOMIC_SEQ_CST);
    if (atomic_load(&block->retired)) /* and the one who did it may not have seen the entry. ORDER retired */
        __atomic_store_n(&entry->pc, table_no_pc(index), __ATOMIC_RELAXED);
}

/* --- fork --------------------------------------------------------------------------------------------- */

void jit_vfork_prepare(void)
{
    pthread_mutex_lock(&cache.lock);
    store_before_fork();
    pthread_mutex_unlock(&cache.lock);
}

void jit_fork_prepare(void)
{
    pthread_mutex_lock(&cache.lock);
    store_before_fork();
    children_expected();
    if (options.perf != PERF_NONE)
        symbols_fork_prepare();
}

void jit_fork_done(struct cpu *child)
{
    if (child) { /* the other threads don't exist here, and what was counted is their process's */
        cache.stats = (struct stats){0};
        if (child->jit)
            child->jit->stats = cache.stats;
        cache.threads = child->jit;
        if (child->jit)
            child->jit->next = NULL;
        cache_after_fork();
        children_after_fork();
        store_after_fork();
    }
    if (options.perf != PERF_NONE)
        symbols_fork_done();
    pthread_mutex_unlock(&cache.lock);
}
