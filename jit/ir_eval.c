/* The reference evaluator of the IR: one operation after the other, on the expressions of ir_ops.def. */
#include <xemu/eval.h>
#include <xemu/ir.h>
#include <xemu/landing.h>
#include <xemu/log.h>

/* An integer may lie in a register of struct cpu, aligned to 8 bytes only. */
#define AI    (*(const uint64_t *)a)
#define BI    (*(const uint64_t *)b)
#define CI    (*(const uint64_t *)c)
#define AV    (a->v)
#define BV    (b->v)
#define CV    (c->v)
#define IMM   insn->imm
#define SHAPE cpu, insn->esz, insn->lanes

#define UNUSED_ARG __attribute__((unused))
#define CASE(name, statement)                                                                               \
    static void do_##name(UNUSED_ARG struct cpu *cpu, UNUSED_ARG const struct ir_insn *insn,                \
                          UNUSED_ARG const union ir_data *a, UNUSED_ARG const union ir_data *b,             \
                          UNUSED_ARG const union ir_data *c, UNUSED_ARG union ir_data *r)                   \
    {                                                                                                       \
        statement;                                                                                          \
    }
#define INT(name, args32, args64) CASE(name, r->i = insn->w == 32 ? eval32_##name args32 : eval64_##name args64)
#define LOW(x)                    (uint32_t)(x)
#define CASE_I1(n)                INT(n, (LOW(AI)), (AI))
#define CASE_I1I(n)               INT(n, (LOW(AI), IMM), (AI, IMM))
#define CASE_I2(n)                INT(n, (LOW(AI), LOW(BI)), (AI, BI))
#define CASE_I2I(n)               INT(n, (LOW(AI), LOW(BI), IMM), (AI, BI, IMM))
#define CASE_I3(n)                INT(n, (LOW(AI), LOW(BI), LOW(CI)), (AI, BI, CI))
#define CASE_V1(n)                CASE(n, r->v = eval_##n(SHAPE, AV, AV, AV, 0))
#define CASE_V1I(n)               CASE(n, r->v = eval_##n(SHAPE, AV, AV, AV, IMM))
#define CASE_V2(n)                CASE(n, r->v = eval_##n(SHAPE, AV, BV, BV, 0))
#define CASE_V2I(n)               CASE(n, r->v = eval_##n(SHAPE, AV, BV, BV, IMM))
#define CASE_V3(n)                CASE(n, r->v = eval_##n(SHAPE, AV, BV, CV, 0))
#define CASE_V3I(n)               CASE(n, r->v = eval_##n(SHAPE, AV, BV, CV, IMM))
#define CASE_W1                   CASE_V1I
#define CASE_W2                   CASE_V2I
#define CASE_W3                   CASE_V3I
#define CASE_Q1                   CASE_V1I
#define CASE_Q2                   CASE_V2I
#define CASE_Q3                   CASE_V3I
#define CASE_F1                   CASE_V1I
#define CASE_F2                   CASE_V2I
#define CASE_F3                   CASE_V3I
#define CASE_WF1                  CASE_V1I
#define CASE_WF2                  CASE_V2I
#define CASE_WF3                  CASE_V3I
#define CASE_VX(n)                CASE(n, r->i = eval_##n(SHAPE, AV, AV, AV, IMM))
#define CASE_XV(n)                CASE(n, r->v = eval_##n(SHAPE, AI, BI, BI, IMM))
#define CASE_VXV(n)               CASE(n, r->v = eval_##n(SHAPE, AV, BI, BI, IMM))
#define CASE_FX                   CASE_VX
#define CASE_XF(n)                CASE(n, r->v = eval_##n(SHAPE, AI, AI, AI, IMM))
#define CASE_FFX(n)               CASE(n, r->i = eval_##n(SHAPE, AV, BV, BV, IMM))
#define CASE_E__(n)               CASE(n, eval_##n(cpu, IMM))
#define CASE_E__i(n)              CASE(n, r->i = eval_##n(cpu, IMM))
#define CASE_E__v(n)              CASE(n, r->v = eval_##n(cpu, IMM))
#define CASE_E_p_(n)              CASE(n, eval_##n(cpu, IMM, AI))
#define CASE_E_v_(n)              CASE(n, eval_##n(cpu, IMM, AV))
#define CASE_E_i_(n)              CASE(n, eval_##n(cpu, IMM, AI))
#define CASE_E_i_i(n)             CASE(n, r->i = eval_##n(cpu, IMM, AI))
#define CASE_E_i_v(n)             CASE(n, r->v = eval_##n(cpu, IMM, AI))
#define CASE_E_ii_(n)             CASE(n, eval_##n(cpu, IMM, AI, BI))
#define CASE_E_iv_(n)             CASE(n, eval_##n(cpu, IMM, AI, BV))
#define CASE_E_ii_i(n)            CASE(n, r->i = eval_##n(cpu, IMM, AI, BI))
#define CASE_E_iv_i(n)            CASE(n, r->i = eval_##n(cpu, IMM, AI, BV))
#define CASE_E_iii_i(n)           CASE(n, r->i = eval_##n(cpu, IMM, AI, BI, CI))
#define CASE_E_ivv_v(n)           CASE(n, r->v = eval_##n(cpu, IMM, AI, BV, CV))

#define ROW(kind, name) CASE_##kind(name)
#include <xemu/ir_rows.h>
#undef ROW

ir_function *const ir_functions[IR_const] = {
#define ROW(kind, name) [IR_##name] = do_##name,
#include <xemu/ir_rows.h>
#undef ROW
};

/* Leaves the block; cpu->pc is the marked instruction. */
static enum exit_reason stop(struct cpu *cpu, int64_t imm)
{
    enum exit_reason reason = (enum exit_reason)(imm & 0xff);
    cpu->exit_imm = (uint32_t)(imm >> 8);
    if (reason == EXIT_UNDEFINED)
        cpu->exit_word = (uint32_t)mem_load(cpu->pc, 2);
    if (reason == EXIT_CODE)
        cpu->pc += 4;
    return reason;
}

enum exit_reason ir_eval(struct cpu *cpu, const struct ir_block *block)
{
    union ir_data values[IR_MAX_INSNS];

    for (unsigned index = 0; index < block->count; index++) {
        const struct ir_insn *insn = &block->insns[index];
        const union ir_data *first = &values[insn->arg[0]];
        switch ((enum ir_op)insn->op) {
        case IR_const:
            values[index].i = (uint64_t)insn->imm;
            break;
        case IR_mark:
            cpu->pc = (uint64_t)insn->imm;
            break;
        case IR_branch:
        case IR_call: /* the return is somebody else's */
            cpu->pc = (uint64_t)insn->imm;
            return EXIT_BRANCH;
        case IR_branch_if:
            if (!first->i)
                break;
            cpu->pc = (uint64_t)insn->imm;
            return EXIT_BRANCH;
        case IR_jump:
        case IR_call_to:
            landing_begin(cpu, insn->op == IR_jump ? (enum branch_kind)insn->imm : BRANCH_CALL);
            cpu->pc = first->i;
            return EXIT_BRANCH;
        case IR_stop:
            return stop(cpu, insn->imm);
        case IR_check_sp:
            if (first->i % 16 == 0)
                break;
            cpu->pc += 4;
            return EXIT_CODE;
        default:
            ir_functions[insn->op](cpu, insn, first, &values[insn->arg[1]], &values[insn->arg[2]], &values[index]);
        }
    }
    panic("IR block at %#lx has no end", block->pc);
}
