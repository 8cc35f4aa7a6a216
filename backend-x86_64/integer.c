/* Integer operations. */
#include "lower.h"

/* Moves the low w bits; the high half of 32 becomes zero with the next operation of 32 bits. */
static void move(struct lower *l, unsigned to, unsigned from)
{
    if (to != from)
        emit_rr(&l->e, X86_MOV, 64, to, from);
}

static void swap(unsigned *a, unsigned *b)
{
    unsigned t = *a;
    *a = *b;
    *b = t;
}

/* LEA does a sum into a third register without a copy; flags that somebody waits for need ADD. */
static bool wants_flags(const struct lower *l)
{
    for (unsigned v = l->now > 4 ? l->now - 4 : 0; v < l->now + 3 && v < l->block->count; v++)
        if (l->w[v].via == (int)l->now || (insn_at(l, v)->op == IR_nzcv_logic && insn_at(l, v)->arg[0] == l->now))
            return true;
    return false;
}

static void lower_binary(struct lower *l, const struct ir_insn *insn, enum x86_op op, bool commutes)
{
    unsigned a = insn->arg[0], b = insn->arg[1], w = insn->w;
    if (commutes && (is_const(l, a) || (is_in_memory_only(l, a) && register_of(l, b) != NONE)))
        swap(&a, &b);
    unsigned ra = use(l, a);
    if (l->w[l->now].keeps_flags && !is_const(l, b))
        use(l, b);
    struct operand rb = operand_of(l, b, w);
    unsigned reg = result_reg_from(l, a);
    if (l->w[l->now].keeps_flags || (op == X86_ADD && !rb.is_mem && reg != ra && reg != rb.reg && !wants_flags(l))) {
        int32_t imm = op == X86_SUB ? -rb.imm : rb.imm;
        struct x86_mem sum = rb.is_imm ? x86_at(ra, imm) : (struct x86_mem){(uint8_t)ra, (uint8_t)rb.reg, 0, 0};
        emit_rm(&l->e, X86_LEA, w, reg, sum);
        return;
    }
    if (reg != ra && reg == rb.reg) {
        if (commutes) {
            emit_rr(&l->e, op, w, reg, ra);
        } else {
            unsigned t = take_temp(l);
            move(l, t, ra);
            emit_rr(&l->e, op, w, t, rb.reg);
            move(l, reg, t);
        }
    } else {
        move(l, reg, ra);
        emit_op(l, op, w, reg, rb);
    }
    note_flags(l);
}

/* The product's halves, with EFLAGS as they are. Either may be NO_REGISTER. */
static void emit_product(struct lower *l, unsigned high, unsigned low, struct operand b)
{
    high = high == NO_REGISTER ? take_temp(l) : high;
    low = low == NO_REGISTER ? high : low; /* the high half is written last */
    if (b.is_mem)
        emit_mulx_mem(&l->e, high, low, b.mem);
    else
        emit_mulx(&l->e, high, low, b.reg);
}

/* RDX = one factor; returns the other. */
static struct operand take_factors(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (register_of(l, b) == RDX || (is_immediate(l, b) && register_of(l, a) != RDX))
        swap(&a, &b);
    int from = register_of(l, a);
    l->busy |= 1ull << RDX | (from == NONE ? 0 : 1ull << from); /* the other one is not to be loaded there */
    struct operand other = is_immediate(l, b) ? (struct operand){.reg = use(l, b)} : operand_of(l, b, 64);
    if (l->in_reg[RDX] != (int)a || l->w[a].last > l->now) {
        take_fixed(l, RDX); /* which still holds a, if it did */
        if (from == NONE)
            load_into(l, RDX, a);
        else if (from != RDX)
            emit_rr(&l->e, X86_MOV, 64, RDX, (unsigned)from);
    }
    return other;
}

static void lower_multiply(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (l->w[l->now].keeps_flags) {
        struct operand factor = take_factors(l, insn);
        emit_product(l, NO_REGISTER, result_reg(l), factor);
        return;
    }
    if (is_const(l, a) || (is_in_memory_only(l, a) && register_of(l, b) != NONE))
        swap(&a, &b);
    unsigned ra = use(l, a);
    struct operand rb = operand_of(l, b, insn->w);
    unsigned reg = result_reg_from(l, a);
    if (rb.is_imm) {
        emit_imul_imm(&l->e, insn->w, reg, ra, rb.imm);
    } else if (reg == rb.reg) {
        emit_rr(&l->e, X86_IMUL, insn->w, reg, ra);
    } else {
        move(l, reg, ra);
        emit_op(l, X86_IMUL, insn->w, reg, rb);
    }
}

/* a op ~b. */
static void lower_with_not(struct lower *l, const struct ir_insn *insn, enum x86_op op)
{
    unsigned w = insn->w, a = use(l, insn->arg[0]);
    if (is_const(l, insn->arg[1]) && (w == 32 || fits32(~const_of(l, insn->arg[1])))) {
        unsigned reg = result_reg_from(l, insn->arg[0]);
        move(l, reg, a);
        emit_ri(&l->e, op, w, reg, (int32_t)~const_of(l, insn->arg[1]));
        return;
    }
    unsigned b = use(l, insn->arg[1]);
    if (op == X86_AND && host.bmi2) {
        emit_andn(&l->e, w, result_reg(l), b, a);
        return;
    }
    unsigned reg = result_reg_apart(l);
    move(l, reg, b);
    emit_unary(&l->e, UNARY_NOT, w, reg);
    emit_rr(&l->e, op, w, reg, a);
}

static void shift_by_constant(struct lower *l, const struct ir_insn *insn, enum x86_shift shift, unsigned count)
{
    unsigned from = use(l, insn->arg[0]), reg = result_reg_from(l, insn->arg[0]);
    if (!count) {
        emit_rr(&l->e, X86_MOV, insn->w, reg, from);
    } else if (shift == SHIFT_SHL && count == 1 && reg != from) {
        emit_rm(&l->e, X86_LEA, insn->w, reg, (struct x86_mem){(uint8_t)from, (uint8_t)from, 0, 0});
    } else if (shift == SHIFT_ROR && host.bmi2 && reg != from) {
        emit_rorx(&l->e, insn->w, reg, from, count);
    } else {
        move(l, reg, from);
        emit_shift_imm(&l->e, shift, insn->w, reg, count);
    }
}

static void lower_shift(struct lower *l, const struct ir_insn *insn, enum x86_shift shift)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (is_const(l, b)) {
        shift_by_constant(l, insn, shift, (unsigned)const_of(l, b) & (insn->w - 1));
        return;
    }
    unsigned from = use(l, a), count = use(l, b);
    if (host.bmi2 && shift != SHIFT_ROR) {
        emit_shift_by(&l->e, shift, insn->w, result_reg(l), from, count);
        return;
    }
    if (count != RCX) {
        if (from == RCX) { /* it moves out of the way */
            from = take_temp(l);
            move(l, from, RCX);
        }
        take_fixed(l, RCX);
        move(l, RCX, count);
    }
    unsigned reg = take_temp(l); /* never RCX */
    move(l, reg, from);
    emit_shift_cl(&l->e, shift, insn->w, reg);
    bind_value(l, l->now, reg);
}

static void lower_unary(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = use(l, insn->arg[0]), reg = result_reg_from(l, insn->arg[0]);
    move(l, reg, from);
    if (insn->op == IR_rev)
        emit_bswap(&l->e, insn->w, reg);
    else
        emit_unary(&l->e, insn->op == IR_not ? UNARY_NOT : UNARY_NEG, insn->w, reg);
}

static void lower_extend(struct lower *l, const struct ir_insn *insn, enum x86_op op, unsigned w)
{
    unsigned from = use(l, insn->arg[0]);
    emit_rr(&l->e, op, w, result_reg(l), from);
}

static void lower_bit_field(struct lower *l, const struct ir_insn *insn)
{
    unsigned lsb = (unsigned)insn->imm & 63, width = (unsigned)(insn->imm >> 8), w = insn->w;
    bool is_signed = insn->op == IR_sbfx;
    unsigned from = use(l, insn->arg[0]);
    if (!lsb && (width == 8 || width == 16 || width == 32)) {
        static const uint8_t extend[2][3] = {{X86_MOVZX8, X86_MOVZX16, X86_MOV}, {X86_MOVSX8, X86_MOVSX16, X86_MOVSXD}};
        unsigned row = width == 8 ? 0 : width == 16 ? 1 : 2;
        bool whole = row == 2 && (w == 32 || !is_signed);
        emit_rr(&l->e, whole ? X86_MOV : (enum x86_op)extend[is_signed][row], is_signed && !whole ? w : 32, result_reg(l), from);
        return;
    }
    unsigned reg = result_reg_from(l, insn->arg[0]);
    move(l, reg, from);
    if (!is_signed && !lsb && width < 32) {
        emit_ri(&l->e, X86_AND, 32, reg, (int32_t)((1u << width) - 1));
        return;
    }
    if (!is_signed && lsb + width == w) {
        emit_shift_imm(&l->e, SHIFT_SHR, w, reg, lsb);
        return;
    }
    if (!is_signed && width < 31) {
        emit_shift_imm(&l->e, SHIFT_SHR, w, reg, lsb);
        emit_ri(&l->e, X86_AND, 32, reg, (int32_t)((1u << width) - 1));
        return;
    }
    if (lsb + width < w)
        emit_shift_imm(&l->e, SHIFT_SHL, w, reg, w - lsb - width);
    emit_shift_imm(&l->e, is_signed ? SHIFT_SAR : SHIFT_SHR, w, reg, w - width);
}

/* (a & ~mask) | (b << lsb & mask) by rotating the field's place to the bottom. */
static void lower_insert(struct lower *l, const struct ir_insn *insn)
{
    unsigned lsb = (unsigned)insn->imm & 63, width = (unsigned)(insn->imm >> 8), w = insn->w;
    unsigned a = use(l, insn->arg[0]), b = use(l, insn->arg[1]);
    if (width == w) {
        emit_rr(&l->e, X86_MOV, w, result_reg(l), b);
        return;
    }
    if (lsb == 32 && width == 32) { /* two words make a doubleword */
        unsigned high = take_temp(l);
        move(l, high, b);
        unsigned low = result_reg_from(l, insn->arg[0]);
        emit_rr(&l->e, X86_MOV, 32, low, a);
        emit_shift_imm(&l->e, SHIFT_SHL, 64, high, 32);
        emit_rr(&l->e, X86_OR, 64, low, high);
        return;
    }
    unsigned low = take_temp(l);
    move(l, low, b);
    unsigned reg = result_reg_from(l, insn->arg[0]);
    move(l, reg, a);
    if (lsb)
        emit_shift_imm(&l->e, SHIFT_ROR, w, reg, lsb);
    emit_shift_imm(&l->e, SHIFT_SHR, w, reg, width);
    emit_shift_imm(&l->e, SHIFT_SHL, w, reg, width);
    if (width < 31) {
        emit_ri(&l->e, X86_AND, 32, low, (int32_t)((1u << width) - 1));
    } else {
        emit_shift_imm(&l->e, SHIFT_SHL, w, low, w - width);
        emit_shift_imm(&l->e, SHIFT_SHR, w, low, w - width);
    }
    emit_rr(&l->e, X86_OR, w, reg, low);
    if (lsb)
        emit_shift_imm(&l->e, SHIFT_ROL, w, reg, lsb);
}

static void lower_extr(struct lower *l, const struct ir_insn *insn)
{
    unsigned high = use(l, insn->arg[0]), low = use(l, insn->arg[1]);
    if (high == low && insn->imm && host.bmi2) {
        emit_rorx(&l->e, insn->w, result_reg(l), low, (unsigned)insn->imm);
        return;
    }
    unsigned reg = result_reg_apart(l);
    emit_rr(&l->e, X86_MOV, insn->w, reg, low);
    if (insn->imm)
        emit_shrd_imm(&l->e, insn->w, reg, high, (unsigned)insn->imm);
}

/* RAX and RDX for an instruction; `other` comes out of them. Returns where other is then. */
static unsigned take_rax_rdx(struct lower *l, unsigned other)
{
    if (other == RAX || other == RDX) {
        l->busy |= 1u << RAX | 1u << RDX;
        unsigned t = take_temp(l);
        move(l, t, other);
        other = t;
    }
    return other;
}

/* With MULX, which leaves EFLAGS alone. */
static void lower_umulh(struct lower *l, const struct ir_insn *insn)
{
    struct operand factor = take_factors(l, insn);
    emit_product(l, result_reg(l), NO_REGISTER, factor);
}

static void lower_mulh(struct lower *l, const struct ir_insn *insn, enum x86_unary op)
{
    unsigned a = use(l, insn->arg[0]), b = take_rax_rdx(l, use(l, insn->arg[1]));
    take_fixed(l, RDX);
    take_fixed(l, RAX);
    move(l, RAX, a); /* RDX still holds a, if it did */
    emit_unary(&l->e, op, 64, b);
    bind_value(l, l->now, RDX);
}

/* RAX = the dividend; RDX is taken. Returns a copy of the divisor, in a temporary. */
static unsigned take_dividend(struct lower *l, const struct ir_insn *insn)
{
    l->busy |= 1u << RAX | 1u << RDX;
    unsigned by = take_temp(l);
    load_into(l, by, insn->arg[1]);
    int a = register_of(l, insn->arg[0]);
    if (a != RAX)
        take_fixed(l, RAX);
    if (a == NONE)
        load_into(l, RAX, insn->arg[0]);
    else if (a != RAX)
        emit_rr(&l->e, X86_MOV, 64, RAX, (unsigned)a);
    take_fixed(l, RAX);
    take_fixed(l, RDX);
    return by;
}

/* x / 0 is 0: a zero is divided by one then. */
static void lower_udiv(struct lower *l, const struct ir_insn *insn)
{
    unsigned w = insn->w, by = take_dividend(l, insn);
    emit_ri(&l->e, X86_CMP, w, by, 1);
    emit_cmov(&l->e, CC_B, w, RAX, by);
    emit_ri(&l->e, X86_ADC, w, by, 0);
    emit_rr(&l->e, X86_XOR, 32, RDX, RDX);
    emit_unary(&l->e, UNARY_DIV, w, by);
    bind_value(l, l->now, RAX);
}

/* x / 0 is 0, and x / -1 may not trap: both are x * divisor. */
static void lower_sdiv(struct lower *l, const struct ir_insn *insn)
{
    unsigned w = insn->w, by = take_dividend(l, insn);
    emit_rm(&l->e, X86_LEA, w, RDX, x86_at(by, 1));
    emit_ri(&l->e, X86_CMP, w, RDX, 1);
    uint8_t *special = emit_jcc(&l->e, CC_BE);
    emit_cqo(&l->e, w);
    emit_unary(&l->e, UNARY_IDIV, w, by);
    uint8_t *done = emit_jmp(&l->e);
    if (!l->e.full)
        emit_patch(special, l->e.at);
    emit_rr(&l->e, X86_IMUL, w, RAX, by);
    if (!l->e.full)
        emit_patch(done, l->e.at);
    if (w == 32)
        emit_rr(&l->e, X86_MOV, 32, RAX, RAX);
    bind_value(l, l->now, RAX);
}

static void lower_compare(struct lower *l, const struct ir_insn *insn, enum x86_cc cc)
{
    unsigned a = use(l, insn->arg[0]);
    struct operand b = operand_of(l, insn->arg[1], insn->w);
    emit_op(l, X86_CMP, insn->w, a, b);
    unsigned reg = take_temp(l);
    emit_setcc(&l->e, cc, reg);
    emit_rr(&l->e, X86_MOVZX8, 32, reg, reg);
    bind_value(l, l->now, reg);
}

static void lower_select(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1], c = insn->arg[2], w = insn->w;
    bool packed = l->w[l->now].packed;
    if (packed) {
        unsigned yes = l->w[a].packed ? use(l, a) : packed_flags(l, a), reg;
        if (l->w[b].packed) {
            use(l, b);
            reg = take_temp(l);
            load_into(l, reg, b);
        } else {
            reg = packed_flags(l, b);
        }
        enum x86_cc cc = emit_truth(l, c);
        emit_cmov(&l->e, cc, 32, reg, yes);
        bind_value(l, l->now, reg);
        return;
    }
    bool set = is_const(l, a) && is_const(l, b) && (uint64_t)(const_of(l, a) | const_of(l, b)) == 1 &&
               const_of(l, a) != const_of(l, b);
    if (set) {
        enum x86_cc cc = emit_truth(l, c);
        unsigned reg = result_reg(l);
        emit_setcc(&l->e, const_of(l, a) ? cc : cc ^ 1, reg);
        emit_rr(&l->e, X86_MOVZX8, 32, reg, reg);
        return;
    }
    unsigned yes = use(l, a), no = use(l, b);
    enum x86_cc cc = emit_truth(l, c);
    unsigned reg = result_reg_from(l, b);
    if (reg == yes && reg != no) {
        emit_cmov(&l->e, cc ^ 1, w, reg, no);
    } else {
        move(l, reg, no);
        emit_cmov(&l->e, cc, w, reg, yes);
    }
}

static bool lower_count(struct lower *l, const struct ir_insn *insn)
{
    if (!host.lzcnt)
        return false;
    unsigned w = insn->w, a = use(l, insn->arg[0]);
    if (insn->op == IR_clz) {
        emit_rr(&l->e, X86_LZCNT, w, result_reg(l), a);
        return true;
    }
    unsigned t = take_temp(l); /* cls: the leading zeros of a ^ (a >> 1), but one */
    emit_rr(&l->e, X86_MOV, w, t, a);
    emit_shift_imm(&l->e, SHIFT_SAR, w, t, 1);
    emit_rr(&l->e, X86_XOR, w, t, a);
    emit_rr(&l->e, X86_LZCNT, w, t, t);
    emit_ri(&l->e, X86_SUB, w, t, 1);
    bind_value(l, l->now, t);
    return true;
}

/* Bytes are mirrored by an affine transformation, then swapped. */
static bool lower_rbit(struct lower *l, const struct ir_insn *insn)
{
    if (!host.gfni)
        return false;
    unsigned a = use(l, insn->arg[0]), x = take_xmm(l), reg = result_reg(l);
    emit_v_rr(&l->e, V_MOVQ_TO_X, x, VEX_NONE, a);
    emit_v_rm(&l->e, V_GF2P8AFFINE, x, x, constant_mem(JIT_MIRROR_BITS));
    emit_bytes(&l->e, 1, 0);
    emit_v_rr(&l->e, V_MOVQ_FROM_X, x, VEX_NONE, reg);
    emit_bswap(&l->e, insn->w, reg);
    return true;
}

/* REV16: the bytes of each halfword; REV32: of each word. */
static void lower_rev_parts(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use(l, insn->arg[0]), w = insn->w, reg = take_temp(l);
    move(l, reg, a);
    if (insn->op == IR_rev32) {
        emit_bswap(&l->e, 64, reg);
        emit_shift_imm(&l->e, SHIFT_ROR, 64, reg, 32);
    } else {
        unsigned t = take_temp(l);
        emit_mov_imm(&l->e, t, w == 64 ? 0x00ff00ff00ff00ff : 0x00ff00ff);
        unsigned high = take_temp(l);
        emit_rr(&l->e, X86_MOV, w, high, reg);
        emit_shift_imm(&l->e, SHIFT_SHR, w, high, 8);
        emit_rr(&l->e, X86_AND, w, high, t);
        emit_rr(&l->e, X86_AND, w, reg, t);
        emit_shift_imm(&l->e, SHIFT_SHL, w, reg, 8);
        emit_rr(&l->e, X86_OR, w, reg, high);
    }
    bind_value(l, l->now, reg);
}

static void lower_crc32c(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use(l, insn->arg[0]), b = use(l, insn->arg[1]), reg = take_temp(l);
    emit_rr(&l->e, X86_MOV, 32, reg, a);
    if (insn->imm == 1)
        emit_bytes(&l->e, 1, 0x66);
    emit_rr(&l->e, insn->imm ? X86_CRC32 : X86_CRC32_8, insn->imm == 3 ? 64 : 32, reg, b);
    bind_value(l, l->now, reg);
}

bool lower_integer(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_add:
        lower_binary(l, insn, X86_ADD, true);
        return true;
    case IR_sub:
        lower_binary(l, insn, X86_SUB, false);
        return true;
    case IR_and:
        lower_binary(l, insn, X86_AND, true);
        return true;
    case IR_or:
        lower_binary(l, insn, X86_OR, true);
        return true;
    case IR_xor:
        lower_binary(l, insn, X86_XOR, true);
        return true;
    case IR_mul:
        lower_multiply(l, insn);
        return true;
    case IR_andn:
        lower_with_not(l, insn, X86_AND);
        return true;
    case IR_orn:
        lower_with_not(l, insn, X86_OR);
        return true;
    case IR_xorn:
        lower_with_not(l, insn, X86_XOR);
        return true;
    case IR_shl:
        lower_shift(l, insn, SHIFT_SHL);
        return true;
    case IR_lsr:
        lower_shift(l, insn, SHIFT_SHR);
        return true;
    case IR_asr:
        lower_shift(l, insn, SHIFT_SAR);
        return true;
    case IR_ror:
        lower_shift(l, insn, SHIFT_ROR);
        return true;
    case IR_not:
    case IR_neg:
    case IR_rev:
        lower_unary(l, insn);
        return true;
    case IR_rev16:
    case IR_rev32:
        lower_rev_parts(l, insn);
        return true;
    case IR_clz:
    case IR_cls:
        return lower_count(l, insn);
    case IR_rbit:
        return lower_rbit(l, insn);
    case IR_umulh:
    case IR_smulh:
        if (insn->w != 64)
            return false;
        if (insn->op == IR_umulh && host.bmi2)
            lower_umulh(l, insn);
        else
            lower_mulh(l, insn, insn->op == IR_umulh ? UNARY_MUL : UNARY_IMUL);
        return true;
    case IR_udiv:
        lower_udiv(l, insn);
        return true;
    case IR_sdiv:
        lower_sdiv(l, insn);
        return true;
    case IR_zext8:
        lower_extend(l, insn, X86_MOVZX8, 32);
        return true;
    case IR_zext16:
        lower_extend(l, insn, X86_MOVZX16, 32);
        return true;
    case IR_zext32:
        lower_extend(l, insn, X86_MOV, 32);
        return true;
    case IR_sext8:
        lower_extend(l, insn, X86_MOVSX8, insn->w);
        return true;
    case IR_sext16:
        lower_extend(l, insn, X86_MOVSX16, insn->w);
        return true;
    case IR_sext32:
        lower_extend(l, insn, insn->w == 64 ? X86_MOVSXD : X86_MOV, insn->w);
        return true;
    case IR_ubfx:
    case IR_sbfx:
        lower_bit_field(l, insn);
        return true;
    case IR_bfi:
        lower_insert(l, insn);
        return true;
    case IR_extr:
        lower_extr(l, insn);
        return true;
    case IR_eq:
        lower_compare(l, insn, CC_E);
        return true;
    case IR_ult:
        lower_compare(l, insn, CC_B);
        return true;
    case IR_select:
        lower_select(l, insn);
        return true;
    case IR_crc32:
        return lower_crc32(l, insn);
    case IR_crc32c:
        lower_crc32c(l, insn);
        return true;
    default:
        return false;
    }
}
