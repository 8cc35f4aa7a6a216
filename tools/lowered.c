/* How compiled code executes each row of a64.isa, found by compiling words of it: lines `ROW how`, for
 * isa.md.
 *
 *   inline                    host code only
 *   inline, rarely function   host code; a function is called behind it in rare cases
 *   function                  a function is called each time
 *   inline or function        some words so, some so
 *   run loop                  leaves compiled code: a system call, a breakpoint, changed code
 *   interpreter               there is no code for it
 *   undefined                 SIGILL
 *
 * That is at host level v3; "(v4: ...)" follows where level v4 differs. A host without v3 says nothing. */
#include "../jit/passes.h"

#include <xemu/exit.h>
#include <xemu/insn.h>
#include <xemu/jit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of the words of a row, WORDS that are defined are compiled: few of MRS and MSR are. */
enum { WORDS = 32, MOST_WORDS = 1 << 15, TRIES = 1 << 12 };
enum { CODE_BYTES = 1 << 16, SITES = 8192, LINKS = 64, PAGE = 4096, BASE = 3, MORE = 4 };
#define GUEST_PC ((void *)0x5500001000)

static const struct row {
    const char *name;
    uint32_t mask, value;
} rows[] = {
#define A64_BITS(NAME, MASK, VALUE) [A64_##NAME] = {#NAME, MASK, VALUE},
#include "a64_rows.inc"
};

/* What compiling one word has shown; a set of these of several words. */
enum { INLINE = 1, RARELY = 2, FUNCTION = 4, RUN_LOOP = 8, INTERPRETER = 16 };

static uint32_t *guest;
static uint8_t code[CODE_BYTES] __attribute__((aligned(64)));
static struct ir_block block;

/* An operation without a result is not executed, so words with register 31 are taken only if there are no
 * others. */
static bool has_register_31(const struct a64_insn *in)
{
    return in->rd == 31 || in->rt == 31 || in->rn == 31;
}

/* The next word of the row, always the same ones, at *guest; false: none was found. any: also with
 * register 31. */
static bool next_word(enum a64_op op, bool any, unsigned *state)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct a64_insn in;
        uint32_t random = (uint32_t)rand_r(state) << 16 ^ (uint32_t)rand_r(state);
        *guest = rows[op].value | (random & ~rows[op].mask);
        a64_decode(*guest, (uintptr_t)guest, &in);
        if (in.op == op && (any || !has_register_31(&in)))
            return true;
    }
    return false;
}

/* Calls of functions within the instruction's own code, up to `end`, and behind it. */
static unsigned find_calls(const struct code_buffer *buffer, const uint8_t *start, uint32_t end)
{
    unsigned found = 0;
    for (unsigned i = 0; i < buffer->reloc_count; i++) {
        const uint8_t *at = start + buffer->relocs[i].offset;
        int32_t distance;
        memcpy(&distance, at, sizeof distance);
        if (buffer->relocs[i].kind == RELOC_STUB && at + sizeof distance + distance == buffer->call)
            found |= buffer->relocs[i].offset < end ? FUNCTION : RARELY;
    }
    return found & FUNCTION ? FUNCTION : found ? found : INLINE;
}

/* What becomes of the word at *guest; 0: it is undefined. */
static unsigned compile(void)
{
    static struct fault_site sites[SITES];
    static struct code_link links[LINKS];
    static struct code_reloc relocs[SITES];
    static struct code_profile profile;
    struct code_buffer buffer = {.start = code,
                                 .at = code,
                                 .end = code + CODE_BYTES,
                                 .sites = sites,
                                 .site_capacity = SITES,
                                 .links = links,
                                 .link_count = 1,
                                 .link_capacity = LINKS,
                                 .relocs = relocs,
                                 .reloc_capacity = SITES,
                                 .profile = &profile};
    lift_block(&block, (uintptr_t)guest, 1, NULL);
    const struct ir_insn *last = &block.insns[block.count - 1];
    if (last->op == IR_stop)
        return (last->imm & 0xff) == EXIT_UNDEFINED ? 0 : RUN_LOOP;
    pass_conditions(&block);
    pass_flags(&block);
    pass_fold(&block);
    backend_stubs(&buffer);
    const uint8_t *start = backend_compile(&buffer, &block);
    if (!start)
        return INTERPRETER;
    return find_calls(&buffer, start, profile.insns[profile.count - 1].end);
}

static const char *how(enum a64_op op)
{
    unsigned state = (unsigned)op, found = 0;
    bool any = !next_word(op, false, &state);
    for (unsigned i = 0, defined = 0; i < MOST_WORDS && defined < WORDS && next_word(op, any, &state); i++) {
        unsigned of_word = compile();
        found |= of_word;
        defined += of_word != 0;
    }
    if (found & INTERPRETER)
        return "interpreter";
    if (found & RUN_LOOP)
        return "run loop";
    if (found & FUNCTION)
        return found == FUNCTION ? "function" : "inline or function";
    return found & RARELY ? "inline, rarely function" : found ? "inline" : "undefined";
}

int main(void)
{
    static const char *at_base[A64_OP_COUNT];
    if (backend_best_level() < BASE) {
        fputs("lowered: this host has not level v3\n", stderr);
        return 0;
    }
    guest = mmap(GUEST_PC, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                 -1, 0);
    if (guest == MAP_FAILED) {
        perror("lowered: mmap");
        return 1;
    }
    backend_init(BASE);
    for (unsigned op = 1; op < A64_OP_COUNT; op++)
        at_base[op] = how((enum a64_op)op);
    backend_init(MORE);
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        const char *more = how((enum a64_op)op);
        if (!strcmp(at_base[op], more))
            printf("%s %s\n", rows[op].name, more);
        else
            printf("%s %s (v4: %s)\n", rows[op].name, at_base[op], more);
    }
    return 0;
}
