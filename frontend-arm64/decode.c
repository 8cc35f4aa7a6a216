/* The A64 decoder: the tree that isagen makes from a64.isa, and the names of its rows. */
#include <xemu/features.h>
#include <xemu/insn.h>

#include "isa_functions.inc"

#include "a64_decode.inc"

/* Arrays of characters and not pointers to them: nothing to relocate when xemu starts. */
static const struct {
    char name[16], feature[20];
    uint8_t needs; /* enum feature */
    bool todo;
} rows[A64_OP_COUNT] = {
    [A64_UNALLOCATED] = { "UNALLOCATED", "FEAT_BASE", FEAT_BASE, false },
#define A64_ROW(NAME, MEANING, FEATURE, TODO) [A64_##NAME] = { #NAME, #FEATURE, FEATURE, TODO },
#include "a64_rows.inc"
};

static bool off[A64_OP_COUNT];

void a64_switch_rows(const bool *feature_on)
{
    for (int op = 0; op < A64_OP_COUNT; op++)
        off[op] = !feature_on[rows[op].needs];
}

static bool is_hint(uint32_t word)
{
    return (word & 0xfffff01f) == 0xd503201f;
}

void a64_decode(uint32_t word, uint64_t pc, struct a64_insn *in)
{
    *in = (struct a64_insn){ .pc = pc, .word = word };
    in->op = (uint16_t)decode_word(word, in);
    if (__builtin_expect(off[in->op], false))
        in->op = is_hint(word) ? A64_HINT : A64_UNALLOCATED;
}

enum a64_op a64_row_of(uint32_t word)
{
    struct a64_insn in = { .word = word };
    return (enum a64_op)decode_word(word, &in);
}

const char *a64_name(enum a64_op op)
{
    return rows[op < A64_OP_COUNT ? op : A64_UNALLOCATED].name;
}

const char *a64_feature(enum a64_op op)
{
    return rows[op < A64_OP_COUNT ? op : A64_UNALLOCATED].feature;
}

bool a64_is_todo(enum a64_op op)
{
    return op < A64_OP_COUNT && rows[op].todo;
}

bool a64_has_sf(enum a64_op op)
{
    static const bool has_sf[A64_OP_COUNT] = {
#define A64_HAS_SF(NAME) [A64_##NAME] = true,
#include "a64_rows.inc"
    };
    return op < A64_OP_COUNT && has_sf[op];
}
