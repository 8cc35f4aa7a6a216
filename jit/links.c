/* Links: the jumps, conditional jumps and calls by which blocks lead to each other without a look-up. */
#include "cache.h"

struct code_link *links_of(const struct jit_block *block)
{
    return cache.links + cache_arena(block->code)->first_link + block->first_link;
}

bool link_is_open(const struct code_link *link) { return !__atomic_load_n(&link->to, __ATOMIC_RELAXED); }

static uint32_t number_of_link(const struct code_link *link) { return (uint32_t)(link - cache.links); }

static const uint8_t *entry_for(const struct code_link *link, const struct jit_block *block)
{
    const struct code_link *own = links_of(block);
    bool further_round = link >= own && link < own + block->link_count;
    return block->code + (further_round ? block->loop : 0);
}

void link_to(struct code_link *link, struct jit_block *block)
{
    if (link->to || block->retired || cache_arena(link->displacement)->retired)
        return;
    __atomic_store_n(&link->to, cache_number(block), __ATOMIC_RELAXED);
    link->next = block->incoming;
    link->before = 0;
    if (link->next)
        cache.links[link->next].before = number_of_link(link);
    block->incoming = number_of_link(link);
    backend_link(link, entry_for(link, block));
    cache.stats.links++;
}

void link_reset(struct code_link *link)
{
    if (!link->to)
        return;
    backend_unlink(link);
    if (link->before)
        cache.links[link->before].next = link->next;
    else
        cache_block(link->to)->incoming = link->next;
    if (link->next)
        cache.links[link->next].before = link->before;
    __atomic_store_n(&link->to, 0, __ATOMIC_RELAXED);
    cache.stats.unlinks++;
}

static void link_each(struct code_link *links, unsigned count)
{
    for (struct code_link *link = links; link < links + count; link++) {
        struct jit_block *target = link->to || !link->stub ? NULL : cache_find(link->target);
        if (target)
            link_to(link, target);
    }
}

void links_of_new(const struct jit_block *block)
{
    link_each(links_of(block), block->link_count);
}

void links_of_all(void)
{
    for (unsigned i = 0; i < cache.arena_count; i++)
        if (!cache.arenas[i].retired)
            link_each(cache.links + cache.arenas[i].first_link, cache.arenas[i].link_count);
}

void links_reset_incoming(struct jit_block *block)
{
    while (block->incoming)
        link_reset(&cache.links[block->incoming]);
}
