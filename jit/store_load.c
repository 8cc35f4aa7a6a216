/* From the store into the cache. */
#include "store.h"

#include <xemu/insn.h>
#include <xemu/interp.h>
#include <xemu/landing.h>

#include <string.h>

/* What the block at pc was made from is what is there now. */
static bool fits(const struct stored_block *stored, uint64_t pc)
{
    uint64_t start = pc - stored->read_before, end = start + stored->read_bytes, page = pc & ~(PAGE - 1ull);
    return start >= page && end <= page + PAGE && start <= pc && end > pc && (!stored->fixed || stored->pc == pc) &&
           stored->host_bytes <= BLOCK_ROOM / 2 && stored->guest_bytes <= PAGE && stored->links <= 64 && stored->sites <= 4096 &&
           stored->guest_hash == store_hash(start, end) && stored->checksum == store_checksum(stored);
}

static void write_four(uint8_t *at, int64_t value)
{
    int32_t bytes = (int32_t)value;
    memcpy(at, &bytes, 4);
}

/* Each place was made by backend_compile() for the code as it is in the store. */
static void relocate(const struct code_buffer *out, uint8_t *code, const struct code_reloc *reloc, uint64_t moved)
{
    uint8_t *at = code + reloc->offset;
    uint64_t address;
    uint32_t number;
    memcpy(&number, at, 4);
    switch ((enum reloc_kind)reloc->kind) {
    case RELOC_GUEST:
        memcpy(&address, at, 8);
        address += moved;
        memcpy(at, &address, 8);
        break;
    case RELOC_STUB:
        write_four(at, store_stub(out, number) - (at + 4));
        break;
    case RELOC_LINK:
        write_four(at, out->link_count + number);
        break;
    }
}

static void add_links(struct code_buffer *out, uint8_t *code, const struct stored_block *stored, uint64_t pc)
{
    for (unsigned i = 0; i < stored->links; i++) {
        const struct stored_link *link = &stored_links(stored)[i];
        out->links[out->link_count++] = (struct code_link){
            .displacement = code + link->displacement,
            .stub = link->stub ? (int32_t)(link->stub - link->displacement) : 0,
            .target = pc + (uint64_t)link->target,
        };
    }
}

/* With the lock held. */
static struct jit_block *add(const struct stored_block *stored, uint64_t pc, unsigned landing)
{
    struct jit_block *there = cache_find(pc);
    struct arena *arena = there ? NULL : cache_arena_to_fill();
    if (!arena)
        return there;
    struct code_buffer out;
    cache_output(&out, arena);
    uint8_t *code = (uint8_t *)(((uintptr_t)out.at + CODE_ALIGNMENT - 1) & ~(uintptr_t)(CODE_ALIGNMENT - 1));
    memcpy(code, stored_code(stored), stored->host_bytes);
    for (unsigned i = 0; i < stored->relocs; i++)
        relocate(&out, code, &stored_relocs(stored)[i], pc - stored->pc);
    add_links(&out, code, stored, pc);
    memcpy(out.sites + out.site_count, stored_sites(stored), stored->sites * sizeof *out.sites);
    out.site_count += stored->sites;
    out.at = code + stored->host_bytes;
    out.loop = stored->loop;
    struct jit_block *block = cache_publish(arena, &out, &(struct jit_block){
        .pc = pc,
        .code = code,
        .guest_bytes = (uint16_t)stored->guest_bytes,
        .read_before = (uint16_t)stored->read_before,
        .read_bytes = (uint16_t)stored->read_bytes,
        .landing = (uint8_t)landing,
    });
    links_of_new(block);
    cache.stats.blocks_loaded++;
    return block;
}

struct jit_block *store_load(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    uint32_t place;
    unsigned number = store_place(cpu->pc, &place);
    const struct store_file *file = number ? store_file(number) : NULL;
    const struct stored_block *stored = file && file->data ? store_look_up(file->data, place) : NULL;
    if (!stored || backend_exact_underflow)
        return NULL;
    struct jit_block *block = NULL;
    jit->lift_is_stale = false;
    atomic_store(&jit->lifting, cpu->pc & ~(uint64_t)(PAGE - 1)); /* before the first byte is read */
    fetch_check(cpu);
    bool good = fits(stored, cpu->pc) && !jit_traps_within(cpu->pc, cpu->pc + stored->guest_bytes);
    unsigned landing = landing_at(cpu->pc);
    perf_learn(cpu->pc);
    pthread_mutex_lock(&cache.lock);
    if (good && !jit->lift_is_stale)
        block = add(stored, cpu->pc, landing);
    atomic_store_explicit(&jit->lifting, NO_PC, memory_order_relaxed);
    pthread_mutex_unlock(&cache.lock);
    return block;
}
