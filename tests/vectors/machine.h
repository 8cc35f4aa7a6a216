/* What tools/vectors.c and machine.c say to each other: a request is instructions and the state before them,
 * a response is the state after them. Both sides are little-endian and lay the structs out alike. */
#pragma once

#include <stdint.h>

enum {
    MACHINE_WINDOW =
        0x10000000, /* where state.memory lies; the page around it is mapped, its neighbours aren't */
    MACHINE_CODE = 0x10010800, /* where the instructions lie, in the middle of a page filled with BRK */
    MACHINE_PAGE = 4096,
    MACHINE_MAX_WORDS = 64,
    MACHINE_MEMORY = 512,
};

struct machine_state {
    uint64_t x[31], sp;
    uint64_t v[32][2];
    uint32_t nzcv; /* bits 31..28 */
    uint32_t fpcr, fpsr, unused;
    uint8_t memory[MACHINE_MEMORY];
};

struct machine_request {
    uint32_t count; /* of words, up to MACHINE_MAX_WORDS */
    uint32_t words[MACHINE_MAX_WORDS];
    uint32_t repeat; /* the instructions run once more as often, from the same state, until they are hot */
    struct machine_state state;
};

struct machine_response {
    uint32_t signal, unused; /* 0, or the signal of a fault */
    uint64_t pc;             /* after the last instruction, or at the fault */
    struct machine_state state;
};
