/* The code cache and what the files of this folder share of it.
 *
 * One region of the address space holds all code. It is divided into arenas, which are filled one after the other, in
 * a circle: before one is filled anew all its blocks are retired, and the threads that may still be in them, or have
 * return points there, have to pass a safe point (the head of the loop in jit_run()). So the oldest code makes room.
 * Single blocks are retired when the guest changes code; their memory waits for the arena's turn, too.
 *
 * A thread is a reader from the moment that it looks for code until it leaves jit_run(). Readers take no lock: chains
 * of blocks are changed with atomic stores, and a retired block stays readable until its arena's turn. All else is
 * changed under cache.lock, which is taken after the lock of guest memory and never held where guest memory is read. */
#ifndef JIT_CACHE_H
#define JIT_CACHE_H

#include <xemu/jit.h>

#include <pthread.h>
#include <stdatomic.h>

/* While compiled code runs, invalid operations trap, and IE tells of nothing else: what was raised before is noted in
 * cpu->fpsr. */
enum { MXCSR_IE = 1, MXCSR_IM = 0x80 };

enum {
    MAX_ARENAS = 8,
    BLOCK_ROOM = 32 << 10,    /* an arena with less than this is full */
    HASH_HEADS = 1 << 16,
    PAGE_HEADS = 1 << 13,
    RETURN_STACK = 64 << 10,  /* bytes of a thread's stack of return points... */
    RETURN_GUARD = 4 << 10,   /* ...and below it */
    PAGE = 4096,
};

#define NO_PC 1 /* not aligned: no block is there */

/* What an entry of a table of indirect branches has as pc where it has none: guests may branch to any number, but not by
 * the entry of another one. */
static inline uint64_t table_no_pc(unsigned index) { return index % JIT_TABLE_KIND ? NO_PC : NO_PC + 4; }
static inline bool table_has_pc(uint64_t pc) { return pc && pc % 4 == 0; }

/* A compiled block. It lies in one page of guest memory. What look-ups read comes first. */
struct jit_block {
    uint64_t pc;
    _Atomic uint32_t next_in_hash; /* number of a block, or 0 */
    uint32_t loop;           /* where in the code its links to itself lead */
    const uint8_t *code;     /* in the write view */
    uint32_t host_bytes;
    uint32_t incoming;       /* number of the first link that leads here, or 0 */
    struct jit_block *next_in_page, **before_in_page;
    uint32_t first_link, first_site, first_reloc; /* of the arena's */
    uint16_t link_count, site_count, reloc_count, guest_bytes;
    uint16_t read_before, read_bytes; /* the guest's code that it depends on, from pc - read_before on, within its page */
    uint64_t guest_hash;     /* of that code */
    uint32_t store_place;    /* for the store: the first instruction's place in... */
    uint8_t store_file;      /* ...the file of this number; 0: the block is not to be saved */
    uint8_t landing;         /* which kinds of branches may lead here: landing.h */
    bool fixed;              /* good for this pc only */
    _Atomic bool retired;
};

/* What --stats shows: name, and what it counts. */
#define STATS(STAT)                                                              \
    STAT(blocks, "blocks compiled")                                             \
    STAT(guest_instructions, "guest instructions in them")                      \
    STAT(host_bytes, "bytes of host code")                                      \
    STAT(blocks_loaded, "blocks taken from the disk")                            \
    STAT(blocks_saved, "blocks written to it")                                   \
    STAT(blocks_for_children, "blocks made because forked children had made them")\
    STAT(compile_ns, "nanoseconds of CPU time spent compiling")                            \
    STAT(lookups, "look-ups outside of compiled code")                          \
    STAT(links, "links made")                                                   \
    STAT(unlinks, "links undone")                                               \
    STAT(invalidations, "changes of code that may have been compiled")          \
    STAT(blocks_invalidated, "blocks that such changes reached")                \
    STAT(arenas_flushed, "parts of the cache flushed to make room")             \
    STAT(faults, "faults in compiled code")                                     \
    STAT(faults_repaired, "instructions that were repeated by functions")       \
    STAT(traps, "of them for invalid floating-point operations")                \
    STAT(stack_restarts, "stacks of return points that were full")

struct stats {
#define STAT(name, text) uint64_t name;
    STATS(STAT)
#undef STAT
};

struct arena {
    uint8_t *start, *end;
    uint8_t *at;                  /* where the next block goes */
    struct jit_block *blocks;     /* in the order of their code */
    _Atomic unsigned block_count; /* read by signal handlers */
    unsigned block_capacity;
    unsigned first_link, link_count, link_capacity; /* numbers of links; the latter two from the first */
    struct fault_site *sites;
    unsigned site_count, site_capacity;
    struct code_reloc *relocs;    /* of blocks that are to be saved */
    unsigned reloc_count, reloc_capacity;
    unsigned saved;               /* so many of the blocks need not be saved any more */
    bool retired;
    uint64_t epoch;               /* since when; readers of this epoch have no business here */
};

/* What a thread has of its own. */
struct jit {
    struct jit *next;            /* all threads' */
    struct cpu *cpu;
    _Atomic bool reading;        /* looks for code, or runs it */
    _Atomic uint64_t epoch;      /* that its last safe point saw */
    bool trapped;                /* the last fault was an invalid floating-point operation */
    uint32_t recipe;             /* for the flags at the last fault; 0: they are in *cpu */
    bool in_code;                /* compiled code, or a function that it called, is on the stack */
    _Atomic uint64_t lifting;    /* page of the block that it reads from guest memory, or NO_PC */
    bool lift_is_stale;          /* the page has changed meanwhile */
    struct ir_block *ir;         /* the block in work */
    struct jit_table_entry *table; /* for indirect branches; room for JIT_TABLE_MOST */
    unsigned table_entries;
    unsigned displaced;          /* entries that gave way to others */
    uint8_t *return_stack;       /* its lowest address, above the guard */
    struct stats stats;          /* what is counted without the lock */
};

struct code_cache {
    pthread_mutex_t lock;
    uint8_t *start;              /* of the write view */
    size_t size;
    ptrdiff_t to_execute;        /* from the write view to the execute view */
    jit_entry *entry;
    struct code_buffer stubs;    /* where they are */
    uint64_t counts[1 + IR_OP_COUNT]; /* as code_buffer.counts */
    struct code_link *links;
    struct arena arenas[MAX_ARENAS];
    unsigned arena_count, current;
    _Atomic uint64_t epoch;      /* how often an arena was retired */
    struct jit *threads;
    struct stats stats;          /* what is counted with the lock, and of threads that ended */
    _Atomic uint32_t hash[HASH_HEADS]; /* numbers of blocks, or 0 */
    struct jit_block *pages[PAGE_HEADS];
};

extern struct code_cache cache;

/* Neighbours share a head, so that little code touches few pages of heads. */
static inline _Atomic uint32_t *cache_hash_head(uint64_t pc)
{
    return &cache.hash[(pc >> 6 ^ pc >> 22) & (HASH_HEADS - 1)];
}

/* Blocks are counted from 1 through all arenas; null has no number. */
static inline uint32_t cache_number(const struct jit_block *block)
{
    return (uint32_t)(block - cache.arenas[0].blocks) + 1;
}
static inline struct jit_block *cache_block(uint32_t number)
{
    return number ? cache.arenas[0].blocks + (number - 1) : NULL;
}

/* --- cache.c --- */

/* Makes the cache if there is none; false where the host gives no memory that can be written and executed. */
bool cache_ready(void);

/* The block at pc, or null. */
struct jit_block *cache_find(uint64_t pc);

/* The block whose code an address in the execute view belongs to, or null. Takes no lock: what other threads may be
 * adding is none that somebody runs. */
const struct jit_block *cache_block_at(uint64_t address);
/* The index of the host's general register in a signal's context. */
int greg_of(int host);

struct block_profile;

/* Adds the block of *ir to the cache; *made has what is known of it beside the code, and *profile, if it isn't null, learns
 * of that. With the lock held. Null: no arena is free yet (CACHE_FULL), or the back end cannot do it (CACHE_TOO_BIG). */
enum cache_answer { CACHE_ADDED, CACHE_FULL, CACHE_TOO_BIG };
enum cache_answer cache_add(const struct ir_block *ir, const struct jit_block *made, struct block_profile *profile,
                            struct jit_block **added);

/* The steps of this, for others who have code: the arena that it goes to, or null (CACHE_FULL); where to write it; and
 * the block with all that was written, which can be found from then on. */
struct arena *cache_arena_to_fill(void);
void cache_output(struct code_buffer *out, const struct arena *arena);
struct jit_block *cache_publish(struct arena *arena, const struct code_buffer *out, const struct jit_block *made);

/* In a forked child: it has the code if that was private memory, else a new and empty cache. */
void cache_after_fork(void);

/* The arena that an address of the write view or a link is in. */
struct arena *cache_arena(const uint8_t *at);

static inline const void *cache_executable(const uint8_t *code) { return code + cache.to_execute; }

/* --- heat.c --- */

enum {
    WARM = 2,
    HOT = 4, /* measured: 8 costs 3 to 8 % more CPU time where the store has what ran often; 3 as much where it is empty */
};

/* Counts one more run of the block at pc; returns how many there were before, at most HOT. */
unsigned heat_add(uint64_t pc);
/* It was counted WARM times. */
bool heat_is_warm(uint64_t pc);
/* The cache has a block at pc, or had one. */
void heat_cached(uint64_t pc);
bool heat_may_be_cached(uint64_t pc);

/* --- faults.c --- */

/* NZCV by the recipe, from the guest's registers. */
uint32_t fault_flags(const struct cpu *cpu, uint32_t recipe);

/* --- direct.c --- */

/* What the stub of system calls has to know, before it is made; tells the guest's kernel where it is, afterwards. */
struct direct_call cache_direct_call(void);
void cache_made_call_place(void);

/* --- links.c; with the lock held --- */

struct code_link *links_of(const struct jit_block *block);
void link_to(struct code_link *link, struct jit_block *block);
bool link_is_open(const struct code_link *link); /* leads to its stub; also without the lock */
void link_reset(struct code_link *link);        /* back to its stub */
void links_reset_incoming(struct jit_block *block);
void links_of_new(const struct jit_block *block); /* those that lead to blocks which are there already */
void links_of_all(void);                          /* the same, of all blocks */

/* --- invalidate.c --- */

/* Blocks that depend on guest code in [start, end). */
void jit_retire(uint64_t start, uint64_t end);

/* With the lock held. */
void pages_add(struct jit_block *block);
void block_retire(struct jit_block *block);
void arena_retire(struct arena *arena);
bool arena_is_quiet(const struct arena *arena); /* retired, and no thread is in it any more */

/* --- children.c --- */

/* Before a fork, with the lock held; in the child. */
void children_expected(void);
void children_after_fork(void);
/* This process makes or interprets the block at pc. */
void children_note(uint64_t pc);
/* The next block that children have made again and again; false: none. */
bool children_want(uint64_t *pc);

/* --- stats.c --- */

void stats_add(struct stats *to, const struct stats *from);

/* --- perf.c; with the lock held --- */

void perf_add(const struct jit_block *block);
void perf_learn(uint64_t pc); /* without a lock: before a block at pc is added */

/* --- threads.c --- */

/* Null where there is no memory. */
struct jit *thread_new(struct cpu *cpu);

/* The thread is in no code and has no return points from before an arena was retired; returns whether there was one
 * since the last safe point. */
bool thread_safe_point(struct jit *jit);

/* Notes the block in the thread's table, for branches of a kind. */
void thread_remember(struct jit *jit, const struct jit_block *block, enum branch_kind kind);

/* No code is left that the thread has in its table or its stack. */
void thread_forget(struct jit *jit);

/* Makes the stack of return points empty; returns its stack pointer. */
uint64_t thread_empty_stack(struct jit *jit);

#endif
