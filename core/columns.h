/* A block of guest code side by side: for --explain and -d. */
#ifndef CORE_COLUMNS_H
#define CORE_COLUMNS_H

#include <xemu/profile.h>
#include <xemu/trace.h>

#include <stdio.h>

struct columns {
    uint64_t pc;
    unsigned count;                   /* guest instructions */
    const uint32_t *words;            /* which they are; null: their addresses only */
    const struct ir_block *ir;        /* null: no such column */
    struct host_code host;            /* .parts is null: no such column */
    const struct block_profile *runs; /* how often each ran; null: not counted */
};

/* A line about the block, one about the columns, and rows for each guest instruction. */
void columns_print(FILE *out, const struct columns *block);

#endif
