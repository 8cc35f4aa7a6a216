/* How often compiled code runs: a record for each block that is counted, for --explain and --report=counts.
 */
#ifndef XEMU_PROFILE_H
#define XEMU_PROFILE_H

#include <xemu/jit.h>

/* One compiled block. A block that is compiled again has another record. */
struct block_profile {
    struct block_profile *next; /* older */
    uint64_t pc;
    uint32_t words[PROFILE_INSNS]; /* the guest's instructions */
    struct ir_block *ir; /* as it was compiled, without room for more operations; null: not asked for */
    uint8_t *host;       /* a copy of the code; null: it was not compiled after all */
    uint32_t host_bytes;
    uint64_t host_at; /* where it runs */
    struct code_profile code;
};

/* Whether blocks are counted in this process: then all guest code is compiled, and nothing comes from the
 * disk. */
bool profile_on(void);

/* For compile(): a record for the block at pc, or null if this one is neither counted nor shown by -d with the parts of its
 * code. Then what it is made from, which may be done again; and at the end: it is freed if it is not counted. */
struct block_profile *profile_new(uint64_t pc);
void profile_source(struct block_profile *profile, const struct ir_block *ir);
void profile_done(struct block_profile *profile);

/* The block has this code, which will run at address `at`: keeps a copy. With the lock of the code cache
 * held. */
void profile_code(struct block_profile *profile, const uint8_t *code, uint32_t bytes, uint64_t at);

/* The newest record; the list grows while other threads compile. */
const struct block_profile *profile_first(void);

/* How often instruction number n was run. */
uint64_t profile_runs(const struct block_profile *profile, unsigned n);

/* Guest instructions that ran, and host instructions for them, without functions in C, rare cases and ways out; the latter
 * is 0 if nothing can disassemble them. */
void profile_totals(uint64_t *guest, uint64_t *host);

/* In a forked child: counts anew. */
void profile_forked(void);

#endif
