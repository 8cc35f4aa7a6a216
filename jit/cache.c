/* The cache's memory: the region of code, its arenas, and the hash by which blocks are found. */
#include "store.h"

#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/profile.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEFAULT_SIZE = 128 << 20, MIN_SIZE = 512 << 10, STUBS_SIZE = 8192, ALIGNMENT = 2 << 20 };

/* Code that comes first has small pages: a short process would clear two megabytes for little code. */
enum { SMALL = 512 << 10 };

struct code_cache cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- memory ------------------------------------------------------------------------------------------- */

static void *reserve(size_t bytes, int prot, int flags, int fd)
{
    return own_map(bytes, prot, flags | MAP_NORESERVE, fd);
}

/* One mapping that can be written and executed. It is private, so that fork() hands the code on. */
static uint8_t *map_one(size_t size)
{
    uint8_t *memory = reserve(size + ALIGNMENT, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    return memory ? (uint8_t *)(((uintptr_t)memory + SMALL + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1)) - SMALL : NULL;
}

static uint8_t *map_view(uint8_t *at, size_t size, int prot, int fd)
{
    if (!at)
        return reserve(size, prot, MAP_SHARED, fd);
    at = mmap(at, size, prot, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Two views of one memory, at fixed addresses where they are given. False: the host refuses. */
static bool map_two(uint8_t **write, uint8_t **execute, size_t size)
{
    int fd = memfd_create("xemu-code", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    uint8_t *w = map_view(*write, size, PROT_READ | PROT_WRITE, fd);
    uint8_t *x = w ? map_view(*execute, size, PROT_READ | PROT_EXEC, fd) : NULL;
    close(fd);
    if (!x) {
        if (w && !*write)
            munmap(w, size);
        return false;
    }
    *write = w;
    *execute = x;
    return true;
}

/* An arena's part of the tables: by what code of its size can have at most, in practice. */
enum { BYTES_PER_BLOCK = 64, BYTES_PER_LINK = 24, BYTES_PER_SITE = 8, BYTES_PER_RELOC = 8 };

static bool reserve_tables(size_t size)
{
    struct tables {
        size_t blocks, links, sites, relocs;
    } bytes = {
        size / BYTES_PER_BLOCK * sizeof(struct jit_block),
        (size / BYTES_PER_LINK + 1) * sizeof(struct code_link),
        size / BYTES_PER_SITE * sizeof(struct fault_site),
        size / BYTES_PER_RELOC * sizeof(struct code_reloc),
    };
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    uint8_t *memory = reserve(bytes.blocks + bytes.links + bytes.sites + bytes.relocs, PROT_READ | PROT_WRITE, flags, -1);
    if (!memory)
        return false;
    cache.links = (struct code_link *)memory;
    cache.arenas[0].blocks = (struct jit_block *)(memory + bytes.links);
    cache.arenas[0].sites = (struct fault_site *)(memory + bytes.links + bytes.blocks);
    cache.arenas[0].relocs = (struct code_reloc *)(memory + bytes.links + bytes.blocks + bytes.sites);
    return true;
}

static void divide(void)
{
    struct arena *first = &cache.arenas[0];
    cache.arena_count = cache.size >= 8 << 20 ? MAX_ARENAS : 4;
    size_t size = (cache.size / cache.arena_count) & ~(size_t)(PAGE - 1);
    for (unsigned i = 0; i < cache.arena_count; i++) {
        struct arena *arena = &cache.arenas[i];
        *arena = (struct arena){
            .start = cache.start + i * size,
            .end = cache.start + (i + 1) * size,
            .block_capacity = (unsigned)(size / BYTES_PER_BLOCK),
            .link_capacity = (unsigned)(size / BYTES_PER_LINK),
            .site_capacity = (unsigned)(size / BYTES_PER_SITE),
            .blocks = first->blocks + i * (size / BYTES_PER_BLOCK),
            .reloc_capacity = (unsigned)(size / BYTES_PER_RELOC),
            .relocs = first->relocs + i * (size / BYTES_PER_RELOC),
            .sites = first->sites + i * (size / BYTES_PER_SITE),
            .first_link = 1 + i * (unsigned)(size / BYTES_PER_LINK),
        };
        arena->at = arena->start;
    }
}

/* The stubs stand in front of the first arena. */
static void make_stubs(void)
{
    struct arena *first = &cache.arenas[0];
    backend_init(options.host);
    cache.stubs = (struct code_buffer){.start = cache.start, .at = cache.start, .end = cache.start + STUBS_SIZE};
    cache.stubs.direct = cache_direct_call();
    cache.stubs.counts = options.counts_calls ? cache.counts : NULL;
    const void *entry = cache_executable(backend_stubs(&cache.stubs));
    memcpy(&cache.entry, &entry, sizeof entry);
    cache_made_call_place();
    first->start = first->at = cache.start + STUBS_SIZE;
    cache.stubs.links = cache.links;
}

static bool map_code(size_t size)
{
    uint8_t *execute = NULL;
    cache.start = options.wx ? NULL : map_one(size);
    cache.to_execute = 0;
    if (!cache.start) {
        if (!map_two(&cache.start, &execute, size))
            return false;
        cache.to_execute = execute - cache.start;
    }
    if (size > SMALL + ALIGNMENT)
        madvise(cache.start + SMALL, size - SMALL, MADV_HUGEPAGE);
    cache.size = size;
    return true;
}

/* A limit on the address space (RLIMIT_AS) is mostly for the guest: tables and code take a fifth of it. */
static size_t default_size(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur / 32 > DEFAULT_SIZE)
        return DEFAULT_SIZE;
    return limit.rlim_cur / 32;
}

bool cache_ready(void)
{
    static bool denied;
    size_t size = options.cache_size ? options.cache_size : default_size();

    pthread_mutex_lock(&cache.lock);
    if (size < MIN_SIZE)
        size = MIN_SIZE;
    if (size > INT32_MAX) /* what a displacement reaches */
        size = INT32_MAX;
    size &= ~(size_t)(PAGE - 1);
    if (!cache.start && !denied) {
        while (!cache.links && !reserve_tables(size) && size / 2 >= MIN_SIZE)
            size /= 2;
        denied = !cache.links || !map_code(size);
        if (!denied) {
            divide();
            make_stubs();
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return !denied;
}

void cache_after_fork(void)
{
    uint8_t *execute = cache.start + cache.to_execute;
    if (!cache.to_execute)
        return;
    if (!map_two(&cache.start, &execute, cache.size)) /* else it would write into its parent's code */
        die(126, "no memory for compiled code after a fork");
    memset(cache.hash, 0, sizeof cache.hash);
    memset(cache.pages, 0, sizeof cache.pages);
    divide();
    make_stubs();
    for (struct jit *jit = cache.threads; jit; jit = jit->next)
        thread_forget(jit);
}

struct arena *cache_arena(const uint8_t *at)
{
    for (unsigned i = 0; i < cache.arena_count; i++)
        if (at >= cache.arenas[i].start && at < cache.arenas[i].end)
            return &cache.arenas[i];
    return NULL;
}

/* --- blocks ------------------------------------------------------------------------------------------- */

struct jit_block *cache_find(uint64_t pc)
{
    if (!heat_may_be_cached(pc))
        return NULL;
    struct jit_block *block = cache_block(atomic_load_explicit(cache_hash_head(pc), memory_order_acquire));
    while (block && block->pc != pc)
        block = cache_block(atomic_load_explicit(&block->next_in_hash, memory_order_acquire));
    return block;
}

const struct jit_block *cache_block_at(uint64_t address)
{
    const uint8_t *at = (const uint8_t *)address - cache.to_execute;
    const struct arena *arena = cache_arena(at);
    unsigned low = 0, high = arena ? atomic_load_explicit(&arena->block_count, memory_order_acquire) : 0;
    while (low < high) { /* the last one that begins at or below */
        unsigned middle = (low + high) / 2;
        if (arena->blocks[middle].code <= at)
            low = middle + 1;
        else
            high = middle;
    }
    const struct jit_block *block = low ? &arena->blocks[low - 1] : NULL;
    return block && at < block->code + block->host_bytes ? block : NULL;
}

static bool is_full(const struct arena *arena)
{
    return arena->end - arena->at < BLOCK_ROOM || arena->block_count == arena->block_capacity ||
           arena->link_capacity - arena->link_count < 64 || arena->site_capacity - arena->site_count < 4096 ||
           arena->reloc_capacity - arena->reloc_count < 4096;
}

/* The arena to fill. While one is filled the next waits for the threads to leave it. */
struct arena *cache_arena_to_fill(void)
{
    struct arena *arena = &cache.arenas[cache.current];
    if (!is_full(arena))
        return arena;
    unsigned next = (cache.current + 1) % cache.arena_count;
    arena = &cache.arenas[next];
    if (arena->block_count && !arena->retired)
        arena_retire(arena);
    if (arena->retired && !arena_is_quiet(arena))
        return NULL;
    arena->at = arena->start;
    arena->link_count = arena->site_count = arena->reloc_count = arena->saved = 0;
    atomic_store(&arena->block_count, 0);
    arena->retired = false;
    cache.current = next;
    struct arena *after = &cache.arenas[(next + 1) % cache.arena_count];
    if (after->block_count && !after->retired)
        arena_retire(after);
    return arena;
}

static void publish(struct jit_block *block)
{
    _Atomic uint32_t *head = cache_hash_head(block->pc);
    pages_add(block);
    heat_cached(block->pc);
    atomic_store_explicit(&block->next_in_hash, *head, memory_order_relaxed);
    atomic_store_explicit(head, cache_number(block), memory_order_release);
}

void cache_output(struct code_buffer *out, const struct arena *arena)
{
    *out = cache.stubs; /* for where the stubs are */
    out->start = cache.start;
    out->at = arena->at;
    out->end = arena->end;
    out->sites = arena->sites;
    out->site_count = arena->site_count;
    out->site_capacity = arena->site_capacity;
    out->link_count = arena->first_link + arena->link_count;
    out->link_capacity = arena->first_link + arena->link_capacity;
    out->relocs = arena->relocs + arena->reloc_count;
    out->reloc_capacity = store_ready() ? arena->reloc_capacity - arena->reloc_count : 0;
}

struct jit_block *cache_publish(struct arena *arena, const struct code_buffer *out, const struct jit_block *made)
{
    struct jit_block *block = &arena->blocks[arena->block_count];
    *block = *made;
    block->host_bytes = (uint32_t)(out->at - block->code);
    block->first_link = arena->link_count;
    block->link_count = (uint16_t)(out->link_count - arena->first_link - arena->link_count);
    block->first_site = arena->site_count;
    block->site_count = (uint16_t)(out->site_count - arena->site_count);
    block->first_reloc = arena->reloc_count;
    block->reloc_count = (uint16_t)out->reloc_count;
    block->fixed = out->fixed;
    block->loop = out->loop;
    arena->at = out->at;
    arena->link_count += block->link_count;
    if (block->store_file)
        arena->reloc_count += block->reloc_count;
    arena->site_count = out->site_count;
    atomic_store_explicit(&arena->block_count, arena->block_count + 1, memory_order_release);
    publish(block);
    perf_add(block);
    return block;
}

enum cache_answer cache_add(const struct ir_block *ir, const struct jit_block *made, struct block_profile *profile,
                            struct jit_block **added)
{
    struct arena *arena = cache_arena_to_fill();
    if (!arena)
        return CACHE_FULL;
    struct code_buffer out;
    struct jit_block block = *made;
    cache_output(&out, arena);
    out.profile = profile ? &profile->code : NULL;
    block.code = backend_compile(&out, ir);
    if (!block.code)
        return CACHE_TOO_BIG;
    if (!out.portable)
        block.store_file = 0;
    *added = cache_publish(arena, &out, &block);
    if (profile)
        profile_code(profile, block.code, (*added)->host_bytes, (uint64_t)cache_executable(block.code));
    cache.stats.blocks++;
    cache.stats.guest_instructions += block.guest_bytes / 4;
    cache.stats.host_bytes += (*added)->host_bytes;
    return CACHE_ADDED;
}
