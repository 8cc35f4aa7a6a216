/* From the cache into the store: when the program ends or another takes its place. */
#include "store.h"

#include <xemu/own.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is written anew when that costs less than compiling once more what is new. */
enum { FEWEST = 8, SHARE = 50, LARGEST = 64 << 20 };

static const uint64_t most_bytes = 512ull << 20; /* all files of the directory */

/* --- one block ---------------------------------------------------------------------------------------- */

static uint32_t read_four(const uint8_t *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, 4);
    return bytes;
}

static void write_four(uint8_t *at, uint32_t bytes) { memcpy(at, &bytes, 4); }

static struct stored_block head_of(const struct jit_block *block)
{
    return (struct stored_block){
        .pc = block->pc,
        .guest_hash = block->guest_hash,
        .place = block->store_place,
        .read_before = block->read_before,
        .read_bytes = block->read_bytes,
        .guest_bytes = block->guest_bytes,
        .host_bytes = block->host_bytes,
        .links = block->link_count,
        .sites = block->site_count,
        .relocs = block->reloc_count,
        .fixed = block->fixed,
        .loop = block->loop,
    };
}

static uint32_t number_of_stub(const uint8_t *at)
{
    unsigned number = 0;
    while (store_stub(&cache.stubs, number) && store_stub(&cache.stubs, number) != at)
        number++;
    return number;
}

/* Links lead to their stubs again; stubs and links have numbers instead of addresses. */
static void abstract(const struct arena *arena, const struct jit_block *block, uint8_t *code)
{
    const struct code_link *links = links_of(block);
    for (unsigned i = 0; i < block->link_count; i++)
        if (links[i].stub)
            write_four(code + (links[i].displacement - block->code), (uint32_t)(links[i].stub - 4));
    for (unsigned i = 0; i < block->reloc_count; i++) {
        const struct code_reloc *reloc = &arena->relocs[block->first_reloc + i];
        uint8_t *at = code + reloc->offset;
        if (reloc->kind == RELOC_LINK) {
            write_four(at, read_four(at) - (arena->first_link + block->first_link));
        } else if (reloc->kind == RELOC_STUB) {
            write_four(at, number_of_stub(block->code + reloc->offset + 4 + (int32_t)read_four(at)));
        }
    }
}

/* Writes the block at `to`, where there is room for stored_size() bytes. */
static void write_block(const struct arena *arena, const struct jit_block *block, uint8_t *to)
{
    struct stored_block *stored = (struct stored_block *)to;
    *stored = head_of(block);
    stored->size = (uint32_t)stored_size(stored);
    memset(stored + 1, 0, stored->size - sizeof *stored);
    struct stored_link *links = (struct stored_link *)stored_links(stored);
    for (unsigned i = 0; i < block->link_count; i++) {
        const struct code_link *link = &links_of(block)[i];
        uint32_t displacement = (uint32_t)(link->displacement - block->code);
        links[i] = (struct stored_link){(int64_t)(link->target - block->pc), displacement,
                                        link->stub ? displacement + (uint32_t)link->stub : 0};
    }
    memcpy((void *)stored_sites(stored), arena->sites + block->first_site, block->site_count * sizeof(struct fault_site));
    memcpy((void *)stored_relocs(stored), arena->relocs + block->first_reloc, block->reloc_count * sizeof(struct code_reloc));
    uint8_t *code = (uint8_t *)stored_code(stored);
    memcpy(code, block->code, block->host_bytes);
    abstract(arena, block, code);
    stored->checksum = store_checksum(stored);
}

/* --- one file ----------------------------------------------------------------------------------------- */

/* A file in the making: memory for all of it, reserved at once. */
struct output {
    uint8_t *data;
    uint64_t size, room;
    struct store_placed *placed; /* behind the room */
    unsigned blocks;
};

/* The block behind the others; its size is set. */
static void enter(struct output *out, const struct stored_block *block)
{
    out->placed[out->blocks++] = (struct store_placed){block->place, (uint32_t)(out->size / 8)};
    out->size += block->size;
}

/* For at most so many blocks of so many bytes together. */
static bool begin(struct output *out, unsigned blocks, uint64_t bytes)
{
    *out = (struct output){.size = sizeof(struct store_header)};
    out->room = (out->size + bytes + store_index_room(blocks) + 7) & ~7ull;
    out->data = own_map(out->room + blocks * sizeof *out->placed, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    out->placed = (struct store_placed *)(out->data + out->room);
    return out->data;
}

static void finish(struct output *out)
{
    struct store_header *header = (struct store_header *)out->data;
    unsigned blocks = out->blocks;
    out->size = store_index(out->data, out->size, out->placed, blocks);
    header->magic = STORE_MAGIC;
    header->size = out->size;
}

/* What the file had, in its order. */
static void copy_old(struct output *out, const uint8_t *data)
{
    const struct store_header *header = (const struct store_header *)data;
    const struct stored_block *block;
    unsigned blocks = 0;
    for (uint64_t at = sizeof *header; at + sizeof *block <= header->index; at += block->size) {
        block = (const struct stored_block *)(data + at);
        if (block->size < sizeof *block || block->size > header->index - at || block->size % 8)
            return;
        if (store_look_up(data, block->place) != block || blocks++ == header->blocks)
            continue;
        memcpy(out->data + out->size, block, block->size);
        enter(out, block);
    }
}

static bool write_all(int fd, const uint8_t *data, uint64_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n <= 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (uint64_t)n : 0;
    }
    return true;
}

static bool put_in_place(const struct output *out, uint64_t object)
{
    char name[PATH_MAX], fresh[PATH_MAX + 32];
    store_path(name, sizeof name, object);
    snprintf(fresh, sizeof fresh, "%s.%d", name, (int)getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write_all(fd, out->data, out->size);
    close(fd);
    if (good && !rename(fresh, name))
        return true;
    unlink(fresh);
    return false;
}

/* --- all ---------------------------------------------------------------------------------------------- */

/* The blocks that are new in this process, of all files. */
struct fresh {
    const struct arena *arena;
    struct jit_block *block;
};

static unsigned find_fresh(struct fresh *list)
{
    unsigned count = 0;
    for (struct arena *arena = cache.arenas; arena < cache.arenas + cache.arena_count; arena++)
        for (unsigned i = arena->saved; i < arena->block_count; i++) {
            struct jit_block *block = &arena->blocks[i];
            if (!block->store_file || block->retired || arena->retired)
                continue;
            if (list)
                list[count] = (struct fresh){arena, block};
            count++;
        }
    return count;
}

/* Whether the store has the block already: another process was faster. */
static bool has(const uint8_t *data, const struct jit_block *block)
{
    const struct stored_block *stored = data ? store_look_up(data, block->store_place) : NULL;
    return stored && stored->guest_hash == block->guest_hash && (!stored->fixed || stored->pc == block->pc);
}

/* `fresh` of the list's blocks are the file's, of that many bytes. */
static bool write_file(uint64_t object, const struct fresh *list, unsigned count, unsigned number, unsigned fresh,
                       uint64_t bytes, const uint8_t *old, uint64_t old_size)
{
    struct output out;
    unsigned before = old ? ((const struct store_header *)old)->blocks : 0;
    if (!begin(&out, before + fresh, old_size + bytes))
        return false;
    if (old)
        copy_old(&out, old);
    for (unsigned i = 0; i < count; i++) {
        struct stored_block *stored = (struct stored_block *)(out.data + out.size);
        if (list[i].block->store_file != number)
            continue;
        write_block(list[i].arena, list[i].block, (uint8_t *)stored);
        enter(&out, stored);
    }
    finish(&out);
    bool good = put_in_place(&out, object);
    munmap(out.data, out.room + (before + fresh) * sizeof *out.placed);
    return good;
}

/* Returns whether the file was written. */
static bool save_file(unsigned number, const struct fresh *list, unsigned count)
{
    const uint8_t *old = NULL;
    uint64_t object = store_file(number)->object, old_size = 0, bytes = 0;
    unsigned fresh = 0;
    if (!store_map(object, &old, &old_size))
        old = NULL;
    for (unsigned i = 0; i < count; i++) {
        struct jit_block *block = list[i].block;
        struct stored_block head = head_of(block);
        if (block->store_file != number)
            continue;
        if (has(old, block)) {
            block->store_file = 0;
            continue;
        }
        fresh++;
        bytes += stored_size(&head);
    }
    unsigned before = old ? ((const struct store_header *)old)->blocks : 0;
    bool worth = fresh >= FEWEST && fresh * SHARE >= before && old_size + bytes <= LARGEST;
    bool written = worth && write_file(object, list, count, number, fresh, bytes, old, old_size);
    if (written)
        cache.stats.blocks_saved += fresh;
    if (old)
        munmap((void *)old, old_size);
    return written;
}

static bool save_files(const struct fresh *list, unsigned count)
{
    unsigned counts[STORE_FILES] = {0};
    bool written = false;
    for (unsigned i = 0; i < count; i++)
        counts[list[i].block->store_file]++;
    for (unsigned number = 1; number < STORE_FILES; number++)
        written |= counts[number] >= FEWEST && save_file(number, list, count);
    return written;
}

static void save(void)
{
    unsigned count = find_fresh(NULL);
    size_t bytes = count * sizeof(struct fresh);
    if (count < FEWEST)
        return;
    struct fresh *list = own_map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (!list)
        return;
    find_fresh(list);
    if (save_files(list, count))
        store_prune(most_bytes);
    munmap(list, bytes);
    for (struct arena *arena = cache.arenas; arena < cache.arenas + cache.arena_count; arena++)
        arena->saved = arena->block_count;
}

void jit_save(void)
{
    pthread_mutex_lock(&cache.lock);
    if (cache.start && store_ready() && store_is_ours())
        save();
    pthread_mutex_unlock(&cache.lock);
}
