/* The IR's text form and its verifier, on code that was lifted from random instructions and on broken blocks.
 */
#include <xemu/insn.h>
#include <xemu/ir.h>

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Xorshift64 (Marsaglia 2003). */
static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

static uint32_t random_instruction(void)
{
    struct a64_insn in;
    do
        a64_decode((uint32_t)random64(), 0, &in);
    while (in.op == A64_UNALLOCATED || a64_is_todo(in.op));
    return in.word;
}

static char *print(const struct ir_block *block)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ir_print(out, block);
    fclose(out);
    return text;
}

static struct ir_block lifted, parsed;

/* Lifts random instructions, up to the first branch. */
static void lift_random(void)
{
    static uint32_t words[1024] __attribute__((aligned(4096)));
    for (int i = 0; i < 32; i++)
        words[i] = random_instruction();
    lift_block(&lifted, (uint64_t)words, 1 + random64() % 32, NULL);
}

static bool same_operation(const struct ir_insn *a, const struct ir_insn *b)
{
    return a->op == b->op && a->w == b->w && a->esz == b->esz && a->lanes == b->lanes && a->imm == b->imm &&
           !memcmp(a->arg, b->arg, sizeof a->arg);
}

Test(ir, lifted_blocks_are_well_formed)
{
    for (int i = 0; i < 5000; i++) {
        unsigned where;
        lift_random();
        const char *wrong = ir_verify(&lifted, &where);
        cr_assert_null(wrong, "operation %u: %s\n%s", where, wrong, print(&lifted));
    }
}

Test(ir, the_parser_reads_what_the_printer_writes)
{
    for (int i = 0; i < 2000; i++) {
        char error[100] = "";
        lift_random();
        char *text = print(&lifted);
        int line = ir_parse(&parsed, text, error, sizeof error);
        cr_assert_eq(line, 0, "line %d: %s\n%s", line, error, text);
        cr_assert_eq(parsed.count, lifted.count);
        cr_assert_eq(parsed.pc, lifted.pc);
        for (unsigned n = 0; n < lifted.count; n++)
            cr_assert(same_operation(&parsed.insns[n], &lifted.insns[n]), "operation %u of\n%s", n, text);
        free(text);
    }
}

Test(ir, comments_and_empty_lines_are_skipped)
{
    char error[100];
    cr_assert_eq(
        ir_parse(&parsed, "; nothing\n\n  mark #0x1000 ; here\nbranch #0x2000\n", error, sizeof error),
        0);
    cr_assert_eq(parsed.count, 2);
    cr_assert_eq(parsed.pc, 0x1000);
}

Test(ir, the_parser_says_what_is_wrong_and_where)
{
    static const struct {
        const char *text;
        int line;
        const char *error;
    } wrong[] = {
        {"mark #0x0\nfrob #0x1\n", 2, "unknown operation"},
        {"mark #0x0\n\n%1 = const #0x1\n%7 = const #0x2\n", 4, "results are numbered by their position"},
        {"const #0x1\n", 1, "result expected, as %0 ="},
        {"%0 = mark #0x1\n", 1, "operation without a result"},
        {"%0 = const #0x1\n%1 = add %0, %0\n", 2, "width expected, as .64"},
        {"%0 = get_vreg #0x1\n%1 = vadd.q2 %0, %0\n", 2, "shape expected, as .s4"},
        {"%0 = get_vreg #0x1\n%1 = vadd.s %0, %0\n", 2, "number of lanes expected"},
        {"%0 = const #0x1\n%1 = add.64 %0 %0\n", 2, "operand expected, as %3"},
        {"%0 = const #0x1\n%1 = add.64 %0, #0x1\n", 2, "operand expected, as %3"},
        {"%0 = const 1\n", 1, "immediate expected, as #0x10"},
        {"branch #0x1 branch\n", 1, "end of line expected"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char error[100] = "";
        cr_expect_eq(ir_parse(&parsed, wrong[i].text, error, sizeof error), wrong[i].line, "%s",
                     wrong[i].text);
        cr_expect_str_eq(error, wrong[i].error);
    }
}

Test(ir, the_parser_refuses_too_many_operations)
{
    char *text = malloc((IR_MAX_INSNS + 1) * 10 + 1), *p = text, error[100];
    for (int i = 0; i <= IR_MAX_INSNS; i++)
        p = stpcpy(p, "mark #0x1\n");
    cr_assert_eq(ir_parse(&parsed, text, error, sizeof error), IR_MAX_INSNS + 1);
    cr_assert_str_eq(error, "more than 4096 operations");
    free(text);
}

Test(ir, the_verifier_says_what_is_wrong_and_where)
{
    static const struct {
        const char *text;
        unsigned where;
        const char *error;
    } wrong[] = {
        {"", 0, "a block is not empty"},
        {"%0 = add.64 %0, %0\nbranch #0x0\n", 0, "operand is not defined before"},
        {"mark #0x0\n%1 = not.64 %0\nbranch #0x0\n", 1, "operand has the wrong type"},
        {"%0 = get_vreg #0x0\n%1 = not.64 %0\nbranch #0x0\n", 1, "operand has the wrong type"},
        {"%0 = const #0x0\n%1 = not.16 %0\nbranch #0x0\n", 1, "width is not 32 or 64, or not allowed"},
        {"%0 = get_vreg #0x0\n%1 = vnot.s5 %0\nbranch #0x0\n", 1, "shape is larger than 128 bits"},
        {"%0 = get_vreg #0x0\n%1 = vnot.s0 %0\nbranch #0x0\n", 1, "shape is larger than 128 bits"},
        {"branch #0x0\nmark #0x0\n", 0, "a block ends with its first branch, jump or stop"},
        {"mark #0x0\n", 0, "a block ends with its first branch, jump or stop"},
        {"%0 = get_x #0x0\ncall #0x4\nput_x %0, #0x1\nbranch #0x0\n", 2, "operand does not outlive the call"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char error[100] = "";
        unsigned where = ~0u;
        cr_assert_eq(ir_parse(&parsed, wrong[i].text, error, sizeof error), 0, "%s%s", wrong[i].text, error);
        const char *got = ir_verify(&parsed, &where);
        cr_expect_str_eq(got ? got : "nothing", wrong[i].error, "%s", wrong[i].text);
        cr_expect_eq(where, wrong[i].where, "%s", wrong[i].text);
    }
}

Test(ir, the_verifier_refuses_what_cannot_be_written)
{
    unsigned where;
    parsed = (struct ir_block){.count = 2, .insns = {{.op = IR_OP_COUNT}, {.op = IR_branch}}};
    cr_expect_str_eq(ir_verify(&parsed, &where), "no such operation");
    parsed.insns[0] = (struct ir_insn){.op = IR_const, .w = 64};
    cr_expect_str_eq(ir_verify(&parsed, &where), "width is not 32 or 64, or not allowed");
    parsed.insns[0] = (struct ir_insn){.op = IR_const};
    parsed.insns[1] = (struct ir_insn){.op = IR_not, .w = 64, .imm = 1};
    cr_expect_str_eq(ir_verify(&parsed, &where), "immediate is not allowed");
}
