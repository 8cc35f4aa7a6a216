/* Parts of a crash report. */
#ifndef CORE_CRASH_H
#define CORE_CRASH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cpu;

/* A line of the guest's memory map. */
struct place {
    uint64_t start, end, offset;
    const char *line; /* without its end; not terminated */
    int length;
    char file[4096]; /* the name in the line, or "" */
};
bool place_find(const char *maps, uint64_t address, struct place *place);

/* "function+0x14 in /usr/bin/file+0x3f14", or what else is known. A return address is `behind` bytes behind the call
 * that belongs to the function: the function itself may end there. */
void print_address(FILE *out, const char *maps, uint64_t address, unsigned behind);

/* backtrace.c: the callers, by frame records (AAPCS64 6.4.6) and x30, through signal handlers. */
void print_backtrace(FILE *out, const char *maps, const struct cpu *cpu);

#endif
