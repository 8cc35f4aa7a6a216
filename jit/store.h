/* Compiled code on disk: what one run of a program compiled, the next one takes from there.
 *
 * A directory has one file for each file that guests have executed code from; its name tells the build of xemu, the kind
 * of host and the guest's CPU, too. Nothing depends on that being the same file still: each block has a hash of the guest's
 * instructions that it was made from, and is used only where memory has the same ones. A file is never changed: a new
 * one takes its place, with what it had and what is new. What cannot be read or written is done without.
 *
 *   struct store_header
 *   struct stored_block ...                  each with its links, fault sites, relocations and code behind it
 *   struct store_entry [1 << index_bits]     at the header's index: a hash table by place, open addressing
 *   uint32_t [blocks]                        where the blocks are
 */
#ifndef JIT_STORE_H
#define JIT_STORE_H

#include "cache.h"

#include <xemu/guestmem.h>

enum { STORE_FILES = 128 }; /* of a process; code from further ones is not kept */

#define STORE_MAGIC 0x33646f63756d6578ull /* "xemucod3" */

struct store_header {
    uint64_t magic;
    uint64_t size; /* of the file */
    uint32_t blocks, index_bits;
    uint64_t index; /* its offset; a cache line begins there */
};

/* The blocks of 64 instructions of the guest's file. */
struct store_entry {
    uint32_t chunk;  /* which: the place of the first one / 64 */
    uint32_t first;  /* number of the chunk's first block */
    uint64_t starts; /* a bit for each instruction that a block begins with; 0: the entry is free */
};

struct stored_link {
    int64_t target; /* from the block's pc */
    uint32_t displacement, stub; /* offsets in the code; no stub, a return point: 0 */
};

struct stored_block {
    uint32_t size;       /* with what follows; a multiple of 8 */
    uint32_t checksum;   /* CRC-32C of everything behind this field */
    uint64_t pc;         /* that the code is for */
    uint64_t guest_hash; /* of the instructions that it was made from */
    uint32_t place;      /* of the first instruction in the guest's file, in words */
    uint32_t read_before, read_bytes; /* those instructions: how far before the pc they begin, and how many bytes */
    uint32_t guest_bytes, host_bytes;
    uint32_t links, sites, relocs;
    uint32_t fixed;      /* for this pc only */
    uint32_t loop;       /* offset in the code: where its links to itself lead */
};

static inline const struct stored_link *stored_links(const struct stored_block *block)
{
    return (const struct stored_link *)(block + 1);
}
static inline const struct fault_site *stored_sites(const struct stored_block *block)
{
    return (const struct fault_site *)(stored_links(block) + block->links);
}
static inline const struct code_reloc *stored_relocs(const struct stored_block *block)
{
    return (const struct code_reloc *)(stored_sites(block) + block->sites);
}
static inline const uint8_t *stored_code(const struct stored_block *block)
{
    return (const uint8_t *)(stored_relocs(block) + block->relocs);
}
static inline uint64_t stored_size(const struct stored_block *block)
{
    return (sizeof *block + (uint64_t)block->links * sizeof(struct stored_link) +
            (uint64_t)block->sites * sizeof(struct fault_site) + (uint64_t)block->relocs * sizeof(struct code_reloc) +
            block->host_bytes + 7) & ~7ull;
}

/* --- store.c: the directory, its files, and which of them an address belongs to --- */

/* A file of the store, as this process has it mapped; it stays mapped. data is null: there is none. */
struct store_file {
    uint64_t object; /* the guest's file, as in struct code_place */
    bool looked;     /* whether there is one was found out */
    const uint8_t *data;
    uint64_t size;
};

/* Whether there is a store; the first call finds out. With cache.lock held. */
bool store_ready(void);
/* Whether the process still has the user's rights that it began with: it may have become somebody else. */
bool store_is_ours(void);
const char *store_directory(void);
/* The path of the file for an object, in text[size]. */
void store_path(char *text, size_t size, uint64_t object);

/* Maps a file of the store; false where there is none that can be trusted. The caller unmaps it. */
bool store_map(uint64_t object, const uint8_t **data, uint64_t *size);
uint32_t store_checksum(const struct stored_block *block);

/* The number, in this process, of the store's file for code at pc, and the place there; 0: none. */
unsigned store_place(uint64_t pc, uint32_t *place);
const struct store_file *store_file(unsigned number);
/* The hash of guest code, which is read and may fault, and of whether it is in a guarded page. */
uint64_t store_hash(uint64_t start, uint64_t end);

/* Stubs have numbers there. */
static inline const uint8_t *store_stub(const struct code_buffer *stubs, unsigned number)
{
    const uint8_t *const all[] = {
        stubs->exit,         stubs->exit_link,    stubs->call,         stubs->direct_call, stubs->return_miss,
        stubs->not_found[0], stubs->not_found[1], stubs->not_found[2], stubs->not_found[3],
    };
    return number < sizeof all / sizeof *all ? all[number] : NULL;
}

/* In a forked child: the blocks so far are for its parent to save. */
void store_after_fork(void);

/* Before the process starts another one: from here on a store for the processes that it starts is worth while. With cache.lock held. */
void store_before_fork(void);

/* --- store_index.c --- */

/* Whether the header and the index lie within the file. */
bool store_is_sound(const uint8_t *data, uint64_t size);

/* The block for the place, in a sound file; null: there is none. Its code may still be for other instructions. */
const struct stored_block *store_look_up(const uint8_t *data, uint32_t place);

/* A block in a file that is being made: where, in units of 8 bytes. */
struct store_placed {
    uint32_t place, at;
};

/* Makes the index of the blocks, which are sorted by this; the blocks end at `end`, and behind it are as many bytes of
 * zeros as store_index_room() says. Returns the size of the file. */
uint64_t store_index(uint8_t *data, uint64_t end, struct store_placed *placed, unsigned count);
uint64_t store_index_room(unsigned blocks);

/* --- store_family.c --- */

/* The store that this process's parent holds, or a new one for it and its children; both exist only while some of them
 * do. The path goes to path[size]. False: there is none. */
bool store_of_parent(char *path, size_t size);
bool store_for_children(char *path, size_t size);

/* --- store_prune.c --- */

/* The kernel's directory entries, as getdents64 gives them: the C library's functions would take memory, whose lock a
 * forked process may have inherited taken. */
struct store_dirent {
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Removes the oldest files, down to half, when all together have more than `most` bytes. */
void store_prune(uint64_t most);

/* --- store_load.c --- */

/* Adds the stored block for cpu->pc to the cache, if there is one for just this code; else null. May fault. */
struct jit_block *store_load(struct cpu *cpu);

#endif
