/* Retiring: of blocks whose guest code changed, and of whole arenas whose memory is needed. */
#include "cache.h"

/* --- pages -------------------------------------------------------------------------------------------- */

static struct jit_block **page_head(uint64_t page)
{
    return &cache.pages[(page >> 12 ^ page >> 25) & (PAGE_HEADS - 1)];
}

void pages_add(struct jit_block *block)
{
    struct jit_block **head = page_head(block->pc);
    block->next_in_page = *head;
    block->before_in_page = head;
    if (*head)
        (*head)->before_in_page = &block->next_in_page;
    *head = block;
}

static void pages_remove(struct jit_block *block)
{
    *block->before_in_page = block->next_in_page;
    if (block->next_in_page)
        block->next_in_page->before_in_page = block->before_in_page;
}

/* --- blocks ------------------------------------------------------------------------------------------- */

static void hash_remove(struct jit_block *block)
{
    _Atomic uint32_t *at = cache_hash_head(block->pc);
    while (*at != cache_number(block))
        at = &cache_block(*at)->next_in_hash;
    /* A reader who is at the block goes on behind it. */
    atomic_store_explicit(at, block->next_in_hash, memory_order_release);
}

/* Only the address: a thread may have compared it already and be about to read the code's. */
static void tables_remove(uint64_t pc)
{
    for (struct jit *jit = cache.threads; jit; jit = jit->next) {
        for (int kind = 0; kind < BRANCH_KINDS; kind++) {
            unsigned index = jit_table_index(pc, (enum branch_kind)kind, jit->table_entries);
            struct jit_table_entry *entry = &jit->table[index];
            if (__atomic_load_n(&entry->pc, __ATOMIC_RELAXED) == pc)
                __atomic_store_n(&entry->pc, table_no_pc(index), __ATOMIC_RELAXED);
        }
    }
}

/* Calls that come back go on elsewhere. */
static void close_returns(const struct jit_block *block)
{
    const struct code_link *links = links_of(block);
    for (unsigned i = 0; i < block->link_count; i++)
        if (!links[i].stub)
            backend_close_return(&links[i]);
}

void block_retire(struct jit_block *block)
{
    hash_remove(block);
    pages_remove(block);
    atomic_store(&block->retired, true); /* ORDER retired: thread_remember() */
    tables_remove(block->pc);
    links_reset_incoming(block);
    close_returns(block);
}

static void retire_listed(struct jit_block *block, uint64_t start, uint64_t end)
{
    for (struct jit_block *next; block; block = next) {
        next = block->next_in_page;
        uint64_t read = block->pc - block->read_before;
        if (read < end && read + block->read_bytes > start) {
            block_retire(block);
            cache.stats.blocks_invalidated++;
        }
    }
}

/* What a thread is just reading may be old, too. */
static void spoil_lifts(uint64_t start, uint64_t end)
{
    for (struct jit *jit = cache.threads; jit; jit = jit->next) {
        uint64_t page = atomic_load(&jit->lifting);
        if (page != NO_PC && page < end && page + PAGE > start)
            jit->lift_is_stale = true;
    }
}

void jit_retire(uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    pthread_mutex_lock(&cache.lock);
    spoil_lifts(start, end);
    cache.stats.invalidations++;
    if ((end - start) / PAGE < PAGE_HEADS) {
        for (uint64_t page = start & ~(uint64_t)(PAGE - 1); page < end; page += PAGE)
            retire_listed(*page_head(page), start, end);
    } else {
        for (unsigned i = 0; i < PAGE_HEADS; i++)
            retire_listed(cache.pages[i], start, end);
    }
    pthread_mutex_unlock(&cache.lock);
}

/* --- arenas ------------------------------------------------------------------------------------------- */

static void ask_readers(uint64_t epoch)
{
    for (struct jit *jit = cache.threads; jit; jit = jit->next)
        if (atomic_load(&jit->reading) && atomic_load(&jit->epoch) < epoch)
            __atomic_fetch_or(&jit->cpu->stop, STOP_SAFE_POINT, __ATOMIC_SEQ_CST);
}

void arena_retire(struct arena *arena)
{
    for (unsigned i = 0; i < arena->block_count; i++)
        if (!arena->blocks[i].retired)
            block_retire(&arena->blocks[i]);
    for (unsigned i = 0; i < arena->link_count; i++)
        link_reset(&cache.links[arena->first_link + i]);
    cache.stats.arenas_flushed++;
    arena->retired = true;
    arena->epoch = atomic_fetch_add(&cache.epoch, 1) + 1;
    ask_readers(arena->epoch);
}

bool arena_is_quiet(const struct arena *arena)
{
    for (struct jit *jit = cache.threads; jit; jit = jit->next)
        if (atomic_load(&jit->reading) && atomic_load(&jit->epoch) < arena->epoch) {
            ask_readers(arena->epoch);
            return false;
        }
    return true;
}
