/* The lifter: which reads of guest registers it leaves out. */
#include <criterion/criterion.h>
#include <xemu/ir.h>

enum {
    MOV_X3_5 = 0xd28000a3,
    ADD_X4_X3_X1 = 0x8b010064,
    ADD_X4_X1_X1 = 0x8b010024,
    FADD_D0_D1_D1 = 0x1e612820,
    BL = 0x94000004,
    MSR_NZCV_X1 = 0xd51b4201,
    MRS_X2_NZCV = 0xd53b4202,
    CMP_X0_0 = 0xf100001f,
    B_EQ = 0x54000080,
    STR_X2_X5 = 0xf90000a2,
};

static uint32_t words[8] __attribute__((aligned(4096)));
static struct ir_block block;

/* Lifts two instructions. */
static void lift(uint32_t first, uint32_t second)
{
    words[0] = first, words[1] = second;
    lift_block(&block, (uint64_t)words, 2, NULL);
    cr_assert_null(ir_verify(&block, &(unsigned){0}));
}

/* The last operation of this kind; null: there is none. */
static const struct ir_insn *find(enum ir_op op)
{
    const struct ir_insn *found = NULL;
    for (unsigned i = 0; i < block.count; i++)
        if (block.insns[i].op == op)
            found = &block.insns[i];
    return found;
}

static const struct ir_insn *operand(const struct ir_insn *insn, unsigned index) { return &block.insns[insn->arg[index]]; }

static unsigned count(enum ir_op op)
{
    unsigned found = 0;
    for (unsigned i = 0; i < block.count; i++)
        found += block.insns[i].op == op;
    return found;
}

Test(lift, a_register_that_was_written_is_not_read_again)
{
    lift(MOV_X3_5, ADD_X4_X3_X1);
    cr_assert_eq(operand(find(IR_add), 0)->op, IR_const);
    cr_assert_eq(count(IR_get_x), 1);
}

Test(lift, a_register_that_was_read_is_not_read_again)
{
    lift(ADD_X4_X1_X1, ADD_X4_X1_X1);
    cr_assert_eq(count(IR_get_x), 1);
    lift(FADD_D0_D1_D1, FADD_D0_D1_D1);
    cr_assert_eq(count(IR_get_vreg), 1);
}

Test(lift, a_call_may_change_every_register)
{
    words[0] = ADD_X4_X1_X1, words[1] = BL, words[2] = ADD_X4_X1_X1;
    lift_block(&block, (uint64_t)words, 3, NULL);
    cr_assert_eq(count(IR_get_x), 2);
}

Test(lift, flags_that_were_written_are_what_a_condition_looks_at)
{
    lift(CMP_X0_0, B_EQ);
    cr_assert_eq(operand(find(IR_cond), 0)->op, IR_nzcv_sub);
}

Test(lift, a_number_put_as_flags_is_read_back)
{
    lift(MSR_NZCV_X1, B_EQ);
    cr_assert_eq(operand(find(IR_cond), 0)->op, IR_get_nzcv);
}

Test(lift, flags_put_as_a_number_are_read_back)
{
    lift(MRS_X2_NZCV, STR_X2_X5);
    cr_assert_eq(operand(find(IR_store), 1)->op, IR_get_x);
}
