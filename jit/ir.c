/* The IR's operations as data, its text form, and the verifier. */
#include <xemu/ir.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define I IR_INT
#define V IR_VEC
/* What follows from the rest of a row. The sign of a NaN is kept where FPCR.AH says so, and compiled code leaves this case
 * to the interpreter. */
#define ACCESSES(op)                                                                                              \
    (op == IR_get_x || op == IR_put_x || op == IR_get_vreg || op == IR_put_vreg || op == IR_get_nzcv || op == IR_put_nzcv)
#define LEAVES(op, flags) \
    (op == IR_fneg || op == IR_fabs || !(ACCESSES(op) || op == IR_mark || op == IR_const || (flags) & IR_PURE))
#define DROPS(op, result, flags) ((flags) & IR_PURE || (ACCESSES(op) && result))
#define IS_FLAGS(op)                                                                                          \
    (op == IR_get_nzcv || op == IR_nzcv_sub || op == IR_nzcv_add || op == IR_nzcv_adc || op == IR_nzcv_logic || op == IR_fcmp)
#define ALL_FLAGS(op, result, flags)                                                     \
    (flags) | (ACCESSES(op) ? IR_ACCESS : 0) | (LEAVES(op, flags) ? IR_LEAVES : 0) | \
        (DROPS(op, result, flags) ? IR_DROPS : 0) | (IS_FLAGS(op) ? IR_FLAGS : 0)
/* name, result, argument types, flags */
#define INFO(name, result, count, a, b, c, flags) \
    [IR_##name] = {#name, result, count, {a, b, c}, ALL_FLAGS(IR_##name, result, flags)},
#define INFO_I1(n)      INFO(n, I, 1, I, 0, 0, IR_PURE | IR_WIDTH)
#define INFO_I1I(n)     INFO(n, I, 1, I, 0, 0, IR_PURE | IR_WIDTH | IR_IMM)
#define INFO_I2(n)      INFO(n, I, 2, I, I, 0, IR_PURE | IR_WIDTH)
#define INFO_I2I(n)     INFO(n, I, 2, I, I, 0, IR_PURE | IR_WIDTH | IR_IMM)
#define INFO_I3(n)      INFO(n, I, 3, I, I, I, IR_PURE | IR_WIDTH)
#define INFO_V1(n)      INFO(n, V, 1, V, 0, 0, IR_PURE | IR_SHAPE)
#define INFO_V1I(n)     INFO(n, V, 1, V, 0, 0, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_V2(n)      INFO(n, V, 2, V, V, 0, IR_PURE | IR_SHAPE)
#define INFO_V2I(n)     INFO(n, V, 2, V, V, 0, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_V3(n)      INFO(n, V, 3, V, V, V, IR_PURE | IR_SHAPE)
#define INFO_V3I(n)     INFO(n, V, 3, V, V, V, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_W1         INFO_V1I
#define INFO_W2         INFO_V2I
#define INFO_W3         INFO_V3I
#define INFO_VX(n)      INFO(n, I, 1, V, 0, 0, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_XV(n)      INFO(n, V, 2, I, I, 0, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_VXV(n)     INFO(n, V, 2, V, I, 0, IR_PURE | IR_SHAPE | IR_IMM)
#define INFO_Q1(n)      INFO(n, V, 1, V, 0, 0, IR_SHAPE | IR_IMM)
#define INFO_Q2(n)      INFO(n, V, 2, V, V, 0, IR_SHAPE | IR_IMM)
#define INFO_Q3(n)      INFO(n, V, 3, V, V, V, IR_SHAPE | IR_IMM)
#define INFO_F1(n)      INFO(n, V, 1, V, 0, 0, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_F2(n)      INFO(n, V, 2, V, V, 0, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_F3(n)      INFO(n, V, 3, V, V, V, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_WF1        INFO_F1
#define INFO_WF2        INFO_F2
#define INFO_WF3        INFO_F3
#define INFO_FX(n)      INFO(n, I, 1, V, 0, 0, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_XF(n)      INFO(n, V, 1, I, 0, 0, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_FFX(n)     INFO(n, I, 2, V, V, 0, IR_SHAPE | IR_IMM | IR_FPCR)
#define INFO_E__(n)     INFO(n, IR_NONE, 0, 0, 0, 0, IR_IMM)
#define INFO_E__i(n)    INFO(n, I, 0, 0, 0, 0, IR_IMM)
#define INFO_E__v(n)    INFO(n, V, 0, 0, 0, 0, IR_IMM)
#define INFO_E_p_(n)    INFO(n, IR_NONE, 1, I, 0, 0, IR_IMM)
#define INFO_E_v_(n)    INFO(n, IR_NONE, 1, V, 0, 0, IR_IMM)
#define INFO_E_i_(n)    INFO(n, IR_NONE, 1, I, 0, 0, 0)
#define INFO_E_i_i(n)   INFO(n, I, 1, I, 0, 0, IR_IMM)
#define INFO_E_i_v(n)   INFO(n, V, 1, I, 0, 0, IR_IMM)
#define INFO_E_ii_(n)   INFO(n, IR_NONE, 2, I, I, 0, IR_IMM)
#define INFO_E_iv_(n)   INFO(n, IR_NONE, 2, I, V, 0, IR_IMM)
#define INFO_E_ii_i(n)  INFO(n, I, 2, I, I, 0, IR_IMM)
#define INFO_E_iv_i(n)  INFO(n, I, 2, I, V, 0, IR_IMM)
#define INFO_E_iii_i(n) INFO(n, I, 3, I, I, I, IR_IMM)
#define INFO_E_ivv_v(n) INFO(n, V, 3, I, V, V, IR_IMM)

const struct ir_op_info ir_ops[IR_OP_COUNT] = {
#define ROW(kind, name) INFO_##kind(name)
#include <xemu/ir_rows.h>
#undef ROW
    INFO(const, I, 0, 0, 0, 0, IR_PURE | IR_IMM)
    INFO(mark, IR_NONE, 0, 0, 0, 0, IR_IMM)
    INFO(branch, IR_NONE, 0, 0, 0, 0, IR_IMM | IR_END)
    INFO(branch_if, IR_NONE, 1, I, 0, 0, IR_IMM)
    INFO(call, IR_NONE, 0, 0, 0, 0, IR_IMM)
    INFO(call_to, IR_NONE, 1, I, 0, 0, 0)
    INFO(jump, IR_NONE, 1, I, 0, 0, IR_IMM | IR_END)
    INFO(stop, IR_NONE, 0, 0, 0, 0, IR_IMM | IR_END)
};

static const char lane_letters[] = "bhsd";
static const char address_name[] = "address"; /* a constant of that kind */

/* --- text --------------------------------------------------------------------------------------------- */

static void print_insn(FILE *out, unsigned index, const struct ir_insn *insn)
{
    const struct ir_op_info *info = &ir_ops[insn->op];
    const char *before = " ";

    if (info->result)
        fprintf(out, "%%%u = ", index);
    fputs(insn->op == IR_const && insn->esz == CONST_ADDRESS ? address_name : info->name, out);
    if (info->flags & IR_WIDTH)
        fprintf(out, ".%u", insn->w);
    if (info->flags & IR_SHAPE)
        fprintf(out, ".%c%u", lane_letters[insn->esz], insn->lanes);
    for (unsigned i = 0; i < info->args; i++, before = ", ")
        fprintf(out, "%s%%%u", before, insn->arg[i]);
    if (info->flags & IR_IMM)
        fprintf(out, "%s#0x%" PRIx64, before, (uint64_t)insn->imm);
    fputc('\n', out);
}

void ir_print(FILE *out, const struct ir_block *block)
{
    for (unsigned i = 0; i < block->count; i++)
        print_insn(out, i, &block->insns[i]);
}

/* A cursor over one line. */
struct text {
    const char *at;
};

static void skip_blanks(struct text *t) { t->at += strspn(t->at, " \t"); }

static bool accept(struct text *t, char c)
{
    skip_blanks(t);
    if (*t->at != c)
        return false;
    t->at++;
    return true;
}

static bool number(struct text *t, int base, uint64_t *value)
{
    char *end;
    *value = strtoull(t->at, &end, base);
    bool found = end != t->at;
    t->at = end;
    return found;
}

static bool accept_name(struct text *t, const char *name)
{
    size_t length = strcspn(t->at, " \t.,\n;");
    if (strlen(name) != length || memcmp(name, t->at, length))
        return false;
    t->at += length;
    return true;
}

static bool find_op(struct text *t, struct ir_insn *insn)
{
    skip_blanks(t);
    *insn = (struct ir_insn){.op = IR_const, .esz = CONST_ADDRESS};
    if (accept_name(t, address_name))
        return true;
    for (unsigned op = 0; op < IR_OP_COUNT; op++)
        if (accept_name(t, ir_ops[op].name)) {
            *insn = (struct ir_insn){.op = (uint8_t)op};
            return true;
        }
    return false;
}

static const char *parse_shape(struct text *t, struct ir_insn *insn)
{
    const char *letter;
    uint64_t lanes;
    if (!accept(t, '.') || !*t->at || !(letter = strchr(lane_letters, *t->at)))
        return "shape expected, as .s4";
    t->at++;
    if (!number(t, 10, &lanes))
        return "number of lanes expected";
    insn->esz = (uint8_t)(letter - lane_letters);
    insn->lanes = (uint8_t)lanes;
    return NULL;
}

static const char *parse_operands(struct text *t, struct ir_insn *insn)
{
    const struct ir_op_info *info = &ir_ops[insn->op];
    uint64_t value;

    if (info->flags & IR_WIDTH) {
        if (!accept(t, '.') || !number(t, 10, &value))
            return "width expected, as .64";
        insn->w = (uint8_t)value;
    }
    const char *error = info->flags & IR_SHAPE ? parse_shape(t, insn) : NULL;
    if (error)
        return error;
    for (unsigned i = 0; i < info->args; i++) {
        if ((i && !accept(t, ',')) || !accept(t, '%') || !number(t, 10, &value))
            return "operand expected, as %3";
        insn->arg[i] = (uint16_t)value;
    }
    if (info->flags & IR_IMM) {
        if ((info->args && !accept(t, ',')) || !accept(t, '#') || !number(t, 0, &value))
            return "immediate expected, as #0x10";
        insn->imm = (int64_t)value;
    }
    return NULL;
}

static const char *parse_line(struct text *t, unsigned index, struct ir_insn *insn)
{
    uint64_t value;
    bool has_result = accept(t, '%');

    if (has_result && (!number(t, 10, &value) || value != index || !accept(t, '=')))
        return "results are numbered by their position";
    if (!find_op(t, insn))
        return "unknown operation";
    if (has_result != (ir_ops[insn->op].result != IR_NONE))
        return has_result ? "operation without a result" : "result expected, as %0 =";
    const char *error = parse_operands(t, insn);
    skip_blanks(t);
    if (!error && *t->at && *t->at != '\n' && *t->at != ';')
        error = "end of line expected";
    return error;
}

int ir_parse(struct ir_block *block, const char *text, char *error, size_t size)
{
    block->count = 0;
    block->pc = 0;
    for (int line = 1; *text; line++) {
        struct text t = {text};
        skip_blanks(&t);
        if (*t.at && *t.at != '\n' && *t.at != ';') {
            if (block->count == IR_MAX_INSNS) {
                snprintf(error, size, "more than %d operations", IR_MAX_INSNS);
                return line;
            }
            const char *wrong = parse_line(&t, block->count, &block->insns[block->count]);
            if (wrong) {
                snprintf(error, size, "%s", wrong);
                return line;
            }
            block->count++;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    if (block->count && block->insns[0].op == IR_mark)
        block->pc = (uint64_t)block->insns[0].imm;
    return 0;
}

/* --- verifier ----------------------------------------------------------------------------------------- */

static const char *verify_insn(const struct ir_block *block, unsigned index, unsigned behind_call)
{
    const struct ir_insn *insn = &block->insns[index];
    if (insn->op >= IR_OP_COUNT)
        return "no such operation";
    const struct ir_op_info *info = &ir_ops[insn->op];
    for (unsigned i = 0; i < info->args; i++) {
        if (insn->arg[i] >= index)
            return "operand is not defined before";
        if (insn->arg[i] < behind_call && block->insns[insn->arg[i]].op != IR_const)
            return "operand does not outlive the call";
        if (ir_ops[block->insns[insn->arg[i]].op].result != info->arg[i])
            return "operand has the wrong type";
    }
    if (info->flags & IR_WIDTH ? insn->w != 32 && insn->w != 64 : insn->w != 0)
        return "width is not 32 or 64, or not allowed";
    if (info->flags & IR_SHAPE && (insn->esz > 3 || !insn->lanes || insn->lanes << insn->esz > 16))
        return "shape is larger than 128 bits";
    if (!(info->flags & IR_IMM) && insn->imm)
        return "immediate is not allowed";
    if (((info->flags & IR_END) != 0) != (index == block->count - 1))
        return "a block ends with its first branch, jump or stop";
    return NULL;
}

const char *ir_verify(const struct ir_block *block, unsigned *where)
{
    *where = 0;
    if (!block->count)
        return "a block is not empty";
    unsigned behind_call = 0;
    for (unsigned i = 0; i < block->count; i++) {
        const char *wrong = verify_insn(block, i, behind_call);
        if (wrong) {
            *where = i;
            return wrong;
        }
        if (ir_is_call((enum ir_op)block->insns[i].op))
            behind_call = i + 1;
    }
    return NULL;
}
