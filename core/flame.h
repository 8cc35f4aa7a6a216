/* What the parts of --flame share. */
#ifndef CORE_FLAME_H
#define CORE_FLAME_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A sample: where the guest was. */
struct flame_sample {
    uint64_t ns;     /* CPU time that it stands for */
    uint64_t pc, lr; /* lr is x30, which tells a function without a frame record its caller */
    uint32_t part;   /* enum report_part */
    uint32_t count;  /* of callers, by their frame records, the innermost first */
    uint64_t callers[];
};

/* Functions by their callers: [0] is the program, which all others are below. */
struct flame_node {
    const char *name;
    uint64_t ns; /* of itself and all below */
    uint64_t own_ns;
    unsigned parent, child, sibling; /* indices; 0: none */
};

struct flame_tree {
    struct flame_node *nodes;
    unsigned count, room;
    uint64_t samples, lost;
};

/* flame_names.c: the name of the function that a guest address is in, or of the file in brackets. For as long
 * as the process lives. */
const char *flame_name(const char *maps, uint64_t address);

/* flame_write.c: one line for each chain of functions, with microseconds; and a picture that needs nothing
 * else. */
void flame_write_folded(FILE *out, const struct flame_tree *tree);
void flame_write_svg(FILE *out, const struct flame_tree *tree);

#endif
