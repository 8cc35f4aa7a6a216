/* Passes: the IR before and after. */
#include "../../jit/passes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct ir_block block;

/* The block stands at pc. */
static void check_at(uint64_t pc, void (*pass)(struct ir_block *), const char *before, const char *after)
{
    char error[100], *text = NULL;
    size_t size;
    unsigned where;

    cr_assert_eq(ir_parse(&block, before, error, sizeof error), 0, "%s", error);
    block.pc = block.read_start = block.read_end = pc;
    pass(&block);
    cr_assert_null(ir_verify(&block, &where));
    FILE *out = open_memstream(&text, &size);
    ir_print(out, &block);
    fclose(out);
    cr_assert_str_eq(text, after);
    free(text);
}

Test(pass_fold, operations_of_constants_are_constants)
{
    check_at(0, pass_fold, "%0 = const #0x5\n%1 = const #0x7\n%2 = add.64 %0, %1\nput_x %2, #0x3\nbranch #0x1000\n",
             "%0 = const #0x5\n%1 = const #0x7\n%2 = const #0xc\nput_x %2, #0x3\nbranch #0x1000\n");
}

Test(pass_fold, sums_of_32_bits_wrap)
{
    check_at(0, pass_fold,
             "%0 = const #0xffffffff\n%1 = const #0x2\n%2 = add.32 %0, %1\nput_x %2, #0x3\nbranch #0x1000\n",
             "%0 = const #0xffffffff\n%1 = const #0x2\n%2 = const #0x1\nput_x %2, #0x3\nbranch #0x1000\n");
}

Test(pass_fold, a_constant_added_twice_is_added_once)
{
    check_at(0, pass_fold,
             "%0 = get_x #0x1\n%1 = const #0x8\n%2 = add.64 %0, %1\n%3 = load %2, #0x3\n%4 = const #0x8\n"
             "%5 = add.64 %2, %4\nput_x %5, #0x2\nbranch #0x1000\n",
             "%0 = get_x #0x1\n%1 = const #0x8\n%2 = add.64 %0, %1\n%3 = load %2, #0x3\n%4 = const #0x10\n"
             "%5 = add.64 %0, %4\nput_x %5, #0x2\nbranch #0x1000\n");
}

Test(pass_fold, what_a_guest_register_holds_is_used_as_it_is)
{
    const char *sums = "%0 = get_x #0x1\n%1 = const #0x8\n%2 = add.64 %0, %1\nput_x %2, #0x1\n%4 = const #0x8\n"
                       "%5 = add.64 %2, %4\nput_x %5, #0x2\nbranch #0x1000\n";
    const char *halves = "%0 = get_x #0x1\n%1 = zext32.64 %0\nput_x %1, #0x2\n%3 = get_x #0x3\n%4 = add.32 %1, %3\n"
                         "put_x %4, #0x1\nbranch #0x1000\n";
    check_at(0, pass_fold, sums, sums);
    check_at(0, pass_fold, halves, halves);
}

Test(pass_fold, a_constant_that_others_need_stays)
{
    const char *text = "%0 = get_x #0x1\n%1 = const #0x8\n%2 = add.64 %0, %1\n%3 = const #0x8\n"
                       "%4 = add.64 %2, %3\nput_x %4, #0x2\nput_x %3, #0x3\nbranch #0x1000\n";
    check_at(0, pass_fold, text, text);
}

Test(pass_fold, an_operation_of_32_bits_reads_past_a_zero_extension_and_needs_none_behind)
{
    check_at(0, pass_fold,
             "%0 = get_x #0x1\n%1 = zext32.64 %0\n%2 = get_x #0x2\n%3 = add.32 %1, %2\n%4 = zext32.64 %3\n"
             "put_x %4, #0x3\nbranch #0x1000\n",
             "%0 = get_x #0x1\n%1 = zext32.64 %0\n%2 = get_x #0x2\n%3 = add.32 %0, %2\n%4 = zext32.64 %3\n"
             "put_x %3, #0x3\nbranch #0x1000\n");
}

Test(pass_fold, an_operation_of_64_bits_needs_the_zero_extension)
{
    const char *text = "%0 = get_x #0x1\n%1 = zext32.64 %0\n%2 = get_x #0x2\n%3 = add.64 %1, %2\nput_x %3, #0x3\n"
                       "branch #0x1000\n";
    check_at(0, pass_fold, text, text);
}

/* Code behind the block: pass_flags reads it in the block's page. */
enum { CMP_X0_0 = 0xf100001f, B_EQ_TO_NEXT_BUT_ONE = 0x54000040, NOP = 0xd503201f, RET = 0xd65f03c0 };
static uint32_t ahead[1024] __attribute__((aligned(4096)));

/* Flags put before the block branches to, or ends before, code that begins with these two words: whether the pass drops
 * them. */
static bool drops(const char *between, uint32_t first, uint32_t second, bool branches)
{
    char text[400], error[100];
    ahead[16] = first, ahead[17] = second, ahead[18] = RET, ahead[19] = RET;
    snprintf(text, sizeof text,
             "%%0 = get_x #0x1\n%%1 = get_x #0x2\n%%2 = nzcv_sub.64 %%0, %%1\nput_nzcv %%2, #0x0\n%sbranch #0x%lx\n",
             between, (unsigned long)&ahead[16]);
    cr_assert_eq(ir_parse(&block, text, error, sizeof error), 0, "%s", error);
    block.pc = block.read_start = branches ? (uint64_t)ahead : (uint64_t)&ahead[16];
    block.read_end = block.pc + 4;
    pass_flags(&block);
    cr_assert_null(ir_verify(&block, &(unsigned){0}));
    return block.insns[3].op != IR_put_nzcv;
}

static bool drops_flags(const char *between, uint32_t first, uint32_t second)
{
    return drops(between, first, second, true);
}

Test(pass_flags, flags_that_the_code_ahead_overwrites_are_not_written)
{
    cr_assert(drops_flags("", CMP_X0_0, RET));
    cr_assert(drops_flags("", NOP, CMP_X0_0));
    cr_assert_geq(block.read_end, (uint64_t)&ahead[18], "what was read is noted");
}

Test(pass_flags, flags_that_may_be_read_ahead_are_written)
{
    cr_assert_not(drops_flags("", B_EQ_TO_NEXT_BUT_ONE, CMP_X0_0));
    cr_assert_not(drops_flags("", NOP, RET));
}

Test(pass_flags, flags_overwritten_in_the_block_are_written_where_an_access_between_may_fault)
{
    const char *overwrites = "%4 = nzcv_sub.64 %1, %0\nput_nzcv %4, #0x0\n";
    const char *loads_first = "%4 = load %0, #0x3\n%5 = nzcv_sub.64 %1, %0\nput_nzcv %5, #0x0\n";
    cr_assert(drops_flags(overwrites, RET, RET));
    cr_assert_not(drops_flags(loads_first, RET, RET));
    cr_assert_eq(block.insns[3].imm, PUT_AT_FAULTS);
}

Test(pass_flags, flags_that_are_read_behind_an_access_are_written_before_it)
{
    cr_assert_not(drops_flags("%4 = load %0, #0x3\n", NOP, RET));
    cr_assert_eq(block.insns[3].imm, PUT_NOW);
}

Test(pass_flags, a_branch_and_the_access_before_it_have_one_put)
{
    cr_assert_not(drops_flags("%4 = load %0, #0x3\n%5 = cond.64 %2, #0x0\nbranch_if %5, #0x100000\n", CMP_X0_0, RET));
    cr_assert_eq(block.insns[3].imm, PUT_AT_FAULTS | PUT_IF_TAKEN);
}

/* Behind the branch, in the block, comes a load that may leave it, and at &ahead[17] the code that the branch goes on with. */
static bool drops_behind_branch(uint32_t taken, uint32_t second)
{
    char text[400], error[100];
    ahead[16] = NOP, ahead[17] = second, ahead[18] = RET, ahead[20] = taken, ahead[21] = RET;
    snprintf(text, sizeof text,
             "mark #0x%lx\n%%1 = get_x #0x1\n%%2 = nzcv_logic.64 %%1\nput_nzcv %%2, #0x0\n%%4 = cond.64 %%2, #0x0\n"
             "branch_if %%4, #0x%lx\nmark #0x%lx\n%%7 = load %%1, #0x3\nbranch #0x%lx\n",
             (unsigned long)&ahead[16], (unsigned long)&ahead[20], (unsigned long)&ahead[17], (unsigned long)&ahead[18]);
    cr_assert_eq(ir_parse(&block, text, error, sizeof error), 0, "%s", error);
    block.read_start = block.pc, block.read_end = block.pc + 8;
    pass_flags(&block);
    return block.insns[3].op != IR_put_nzcv;
}

Test(pass_flags, behind_a_branch_only_the_guests_code_counts)
{
    cr_assert(drops_behind_branch(CMP_X0_0, CMP_X0_0));
    cr_assert_not(drops_behind_branch(RET, CMP_X0_0));
    cr_assert_eq(block.insns[3].imm, PUT_IF_TAKEN);
    cr_assert_not(drops_behind_branch(CMP_X0_0, RET));
    cr_assert_eq(block.insns[3].imm, PUT_IF_NOT_TAKEN);
}

enum { B_TO_NEXT = 0x14000001, B_BACK = 0x17ffffff, MRS_X0_FPCR = 0xd53b4400, MSR_NZCV_X0 = 0xd51b4200, MSR_FPCR_X0 = 0xd51b4400 };

Test(pass_flags, what_one_instruction_does_says_nothing_of_its_kin)
{
    cr_assert(drops_flags("", B_TO_NEXT, CMP_X0_0));
    cr_assert(drops_flags("", MSR_NZCV_X0, RET));
    cr_assert_not(drops_flags("", MSR_FPCR_X0, RET));
    cr_assert_not(drops_flags("", B_TO_NEXT, RET));
    cr_assert_not(drops_flags("", MRS_X0_FPCR, RET));
}

Test(pass_flags, a_fault_behind_the_end_of_the_block_finds_the_flags_unless_there_was_a_branch)
{
    enum { LDR_X1_X2 = 0xf9400041 };
    cr_assert(drops("", LDR_X1_X2, CMP_X0_0, true));
    cr_assert(drops("", NOP, CMP_X0_0, false));
    cr_assert_not(drops("", LDR_X1_X2, CMP_X0_0, false));
}

Test(pass_flags, a_loop_that_nobody_leaves_reads_no_flags) { cr_assert(drops_flags("", NOP, B_BACK)); }

/* Flags put before a branch to ahead[32], which has the first word, and one to ahead[16], which has the second; behind
 * both the flags are read, perhaps. The put_nzcv that is left. */
static struct ir_insn put_before_branches(uint32_t taken, uint32_t otherwise)
{
    char text[400], error[100];
    ahead[32] = taken, ahead[16] = otherwise, ahead[33] = ahead[17] = RET;
    snprintf(text, sizeof text,
             "mark #0x%lx\n%%1 = get_x #0x1\n%%2 = get_x #0x2\n%%3 = nzcv_sub.64 %%1, %%2\nput_nzcv %%3, #0x0\n"
             "%%5 = cond.64 %%3, #0x0\nbranch_if %%5, #0x%lx\nbranch #0x%lx\n",
             (unsigned long)ahead, (unsigned long)&ahead[32], (unsigned long)&ahead[16]);
    cr_assert_eq(ir_parse(&block, text, error, sizeof error), 0, "%s", error);
    block.pc = block.read_start = (uint64_t)ahead;
    block.read_end = block.pc + 4;
    pass_flags(&block);
    cr_assert_null(ir_verify(&block, &(unsigned){0}));
    return block.insns[4];
}

Test(pass_flags, flags_are_written_on_the_side_of_a_branch_that_may_read_them)
{
    cr_assert_eq(put_before_branches(CMP_X0_0, CMP_X0_0).op, IR_const);
    cr_assert_eq(put_before_branches(NOP, CMP_X0_0).imm, PUT_IF_TAKEN);
    cr_assert_eq(put_before_branches(CMP_X0_0, NOP).imm, PUT_IF_NOT_TAKEN);
    cr_assert_eq(put_before_branches(NOP, NOP).imm, PUT_IF_TAKEN | PUT_IF_NOT_TAKEN);
}

/* Two branches by the same flags: to ahead[32] and ahead[40], which have these words; behind them the flags are
 * overwritten. */
static void put_before_search(uint32_t first, uint32_t second)
{
    char text[500], error[100];
    ahead[32] = first, ahead[40] = second, ahead[33] = ahead[41] = RET, ahead[16] = ahead[18] = CMP_X0_0;
    snprintf(text, sizeof text,
             "%%0 = get_x #0x1\n%%1 = get_x #0x2\n%%2 = nzcv_sub.64 %%0, %%1\nput_nzcv %%2, #0x0\n"
             "%%4 = cond.64 %%2, #0x0\nbranch_if %%4, #0x%lx\nmark #0x%lx\n%%7 = get_nzcv #0x0\n"
             "%%8 = cond.64 %%2, #0x8\nbranch_if %%8, #0x%lx\nbranch #0x%lx\n",
             (unsigned long)&ahead[32], (unsigned long)&ahead[17], (unsigned long)&ahead[40], (unsigned long)&ahead[18]);
    cr_assert_eq(ir_parse(&block, text, error, sizeof error), 0, "%s", error);
    block.pc = block.read_start = (uint64_t)&ahead[16];
    block.read_end = block.pc + 8;
    pass_flags(&block);
    cr_assert_null(ir_verify(&block, &(unsigned){0}));
}

Test(pass_flags, each_branch_of_a_search_writes_the_flags_where_it_leads)
{
    put_before_search(NOP, CMP_X0_0);
    cr_assert(block.insns[3].op == IR_put_nzcv && block.insns[3].imm == PUT_IF_TAKEN);
    cr_assert_eq(block.insns[7].op, IR_get_nzcv);
    put_before_search(CMP_X0_0, NOP);
    cr_assert_eq(block.insns[3].op, IR_const);
    cr_assert(block.insns[7].op == IR_put_nzcv && block.insns[7].imm == PUT_IF_TAKEN);
    cr_assert_eq(block.insns[7].arg[0], 2);
    put_before_search(CMP_X0_0, CMP_X0_0);
    cr_assert_eq(block.insns[3].op, IR_const);
    cr_assert_eq(block.insns[7].op, IR_get_nzcv);
}

/* CCMP behind CMP, and a branch; what follows it. */
#define CMP_CCMP(nzcv, cond)                                                                                 \
    "mark #0x1000\n%1 = get_x #0x1\n%2 = get_x #0x2\n%3 = nzcv_sub.64 %1, %2\nput_nzcv %3, #0x0\n"           \
    "mark #0x1004\n%6 = get_x #0x3\n%7 = nzcv_sub.64 %1, %6\n%8 = cond.64 %3, #0x0\n%9 = const #" nzcv "\n"  \
    "%10 = select.32 %7, %9, %8\nput_nzcv %10, #0x0\nmark #0x1008\n%13 = cond.64 %10, #" cond "\n"

Test(pass_conditions, both_have_to_hold)
{
    check_at(0x1000, pass_conditions,
             CMP_CCMP("0x0", "0x0") "branch_if %13, #0x2000\nmark #0x100c\nput_x %1, #0x5\nbranch #0x3000\n",
             "mark #0x1000\n%1 = get_x #0x1\n%2 = get_x #0x2\n%3 = nzcv_sub.64 %1, %2\nput_nzcv %3, #0x0\n"
             "mark #0x1004\n%6 = get_x #0x3\n%7 = nzcv_sub.64 %1, %6\n%8 = cond.64 %3, #0x0\n%9 = const #0x0\n"
             "%10 = const #0x0\n%11 = const #0x0\nmark #0x1008\n%13 = const #0x0\nput_nzcv %9, #0x0\n"
             "%15 = cond.64 %3, #0x1\nbranch_if %15, #0x100c\nput_nzcv %7, #0x0\n%18 = cond.64 %7, #0x0\n"
             "branch_if %18, #0x2000\nbranch #0x100c\n");
}

Test(pass_conditions, one_is_enough)
{
    check_at(0x1000, pass_conditions,
             CMP_CCMP("0x40000000", "0x0") "branch_if %13, #0x2000\nmark #0x100c\nput_x %1, #0x5\nbranch #0x3000\n",
             "mark #0x1000\n%1 = get_x #0x1\n%2 = get_x #0x2\n%3 = nzcv_sub.64 %1, %2\nput_nzcv %3, #0x0\n"
             "mark #0x1004\n%6 = get_x #0x3\n%7 = nzcv_sub.64 %1, %6\n%8 = cond.64 %3, #0x0\n"
             "%9 = const #0x40000000\n%10 = const #0x0\n%11 = const #0x0\nmark #0x1008\n%13 = const #0x0\n"
             "put_nzcv %9, #0x0\n%15 = cond.64 %3, #0x1\nbranch_if %15, #0x2000\nput_nzcv %7, #0x0\n"
             "%18 = cond.64 %7, #0x0\nbranch_if %18, #0x2000\nmark #0x100c\nput_x %1, #0x5\nbranch #0x3000\n");
}

Test(pass_conditions, flags_that_others_read_are_selected)
{
    const char *text = CMP_CCMP("0x0", "0x0") "branch_if %13, #0x2000\n%15 = cond.64 %10, #0x2\nput_x %15, #0x5\nbranch #0x3000\n";
    check_at(0x1000, pass_conditions, text, text);
}
