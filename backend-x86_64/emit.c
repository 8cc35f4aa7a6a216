/* Encoding of x86-64 instructions (Intel SDM volume 2, chapter 2). */
#include "emit.h"

#include <string.h>

static const struct {
    uint8_t prefix, map, opcode;
} rows[] = {
#define X86_RM(name, prefix, map, opcode) [X86_##name] = {prefix, map, opcode},
#define X86_MR(name, prefix, map, opcode) [X86_##name] = {prefix, map, opcode},
#define X86_V(name, pp, map, opcode, w, needs, commutes)
#include "x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
};

enum { COMMUTES = 1 };

static const struct {
    uint8_t pp, map, opcode, w;
    char needs;
    uint8_t commutes;
} vector_rows[] = {
#define X86_RM(name, prefix, map, opcode)
#define X86_MR(name, prefix, map, opcode)
#define X86_V(name, pp, map, opcode, w, needs, commutes) [V_##name] = {pp, map, opcode, w, #needs[0], commutes},
#include "x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
};

void emit_bytes(struct emit *e, unsigned count, uint64_t bytes)
{
    if (e->end - e->at < 32) { /* room to spare, so that a place to patch is always inside */
        e->full = true;
        return;
    }
    memcpy(e->at, &bytes, 8);
    e->at += count;
}

static void byte(struct emit *e, unsigned value) { emit_bytes(e, 1, value); }
static void dword(struct emit *e, int32_t value) { emit_bytes(e, 4, (uint32_t)value); }

static void modrm(struct emit *e, unsigned mod, unsigned reg, unsigned rm)
{
    byte(e, mod << 6 | (reg & 7) << 3 | (rm & 7));
}

static unsigned rex_of(unsigned w, unsigned reg, unsigned index, unsigned base)
{
    return (w == 64 ? 8u : 0) | (reg >> 3 & 1) << 2 | (index != NO_REG ? index >> 3 & 1 : 0) << 1 | (base >> 3 & 1);
}

static void rex_if_needed(struct emit *e, unsigned rex)
{
    if (rex)
        byte(e, 0x40 | rex);
}

/* Byte registers 4 to 7 are SPL to DIL only with a REX prefix. */
static bool has_byte_register(enum x86_op op)
{
    return op == X86_STORE8 || op == X86_MOVZX8 || op == X86_MOVSX8 || op == X86_XCHG8 || op == X86_XADD8 ||
           op == X86_CMPXCHG8 || op == X86_CRC32_8;
}

static bool writes_flags(enum x86_op op)
{
    switch (op) {
    case X86_MOV:
    case X86_LEA:
    case X86_MOVSXD:
    case X86_MOVZX8:
    case X86_MOVZX16:
    case X86_MOVSX8:
    case X86_MOVSX16:
    case X86_CRC32:
    case X86_CRC32_8:
    case X86_STORE:
    case X86_STORE16:
    case X86_STORE8:
    case X86_XCHG:
    case X86_XCHG16:
    case X86_XCHG8:
        return false;
    default:
        return true;
    }
}

static void row_opcode(struct emit *e, enum x86_op op, unsigned rex)
{
    e->flags_written += writes_flags(op);
    if (rows[op].prefix)
        byte(e, rows[op].prefix);
    if (rex || has_byte_register(op))
        byte(e, 0x40 | rex);
    if (rows[op].map)
        byte(e, 0x0f);
    if (rows[op].map > 1)
        byte(e, rows[op].map == 2 ? 0x38 : 0x3a);
    byte(e, rows[op].opcode);
}

/* `bytes`: EVEX's unit of the one-byte displacement; 1 in other encodings. */
static void modrm_mem_scaled(struct emit *e, unsigned reg, struct x86_mem mem, int bytes)
{
    bool sib = mem.index != NO_REG || (mem.base & 7) == RSP;
    bool small = mem.displacement % bytes == 0 && mem.displacement / bytes >= -128 && mem.displacement / bytes <= 127;
    unsigned mod = !mem.displacement && (mem.base & 7) != RBP ? 0 : small ? 1 : 2;
    modrm(e, mod, reg, sib ? RSP : mem.base);
    if (sib)
        modrm(e, mem.scale, mem.index == NO_REG ? RSP : mem.index, mem.base);
    if (mod == 1)
        byte(e, (uint8_t)(mem.displacement / bytes));
    else if (mod == 2)
        dword(e, mem.displacement);
}

static void modrm_mem(struct emit *e, unsigned reg, struct x86_mem mem) { modrm_mem_scaled(e, reg, mem, 1); }

void emit_rr(struct emit *e, enum x86_op op, unsigned w, unsigned reg, unsigned rm)
{
    row_opcode(e, op, rex_of(w, reg, NO_REG, rm));
    modrm(e, 3, reg, rm);
}

void emit_rm(struct emit *e, enum x86_op op, unsigned w, unsigned reg, struct x86_mem mem)
{
    row_opcode(e, op, rex_of(w, reg, mem.index, mem.base));
    modrm_mem(e, reg, mem);
}

/* The arithmetic rows' opcodes hold the /digit of the forms with an immediate, 81 and 83. */
static unsigned digit_of(enum x86_op op) { return rows[op].opcode >> 3; }
static bool is_byte_sized(int32_t imm) { return imm >= -128 && imm <= 127; }

static void immediate(struct emit *e, int32_t imm) { is_byte_sized(imm) ? byte(e, (uint8_t)imm) : dword(e, imm); }

void emit_ri(struct emit *e, enum x86_op op, unsigned w, unsigned reg, int32_t imm)
{
    e->flags_written++;
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    byte(e, is_byte_sized(imm) ? 0x83 : 0x81);
    modrm(e, 3, digit_of(op), reg);
    immediate(e, imm);
}

void emit_mi32(struct emit *e, enum x86_op op, struct x86_mem mem, int32_t imm)
{
    e->flags_written++;
    rex_if_needed(e, rex_of(32, 0, mem.index, mem.base));
    byte(e, is_byte_sized(imm) ? 0x83 : 0x81);
    modrm_mem(e, digit_of(op), mem);
    immediate(e, imm);
}

void emit_mov_imm(struct emit *e, unsigned reg, uint64_t imm)
{
    if (imm <= UINT32_MAX) {
        rex_if_needed(e, reg >> 3);
        byte(e, 0xb8 | (reg & 7));
        dword(e, (int32_t)imm);
    } else if ((int64_t)imm == (int32_t)imm) {
        byte(e, 0x48 | reg >> 3);
        byte(e, 0xc7);
        modrm(e, 3, 0, reg);
        dword(e, (int32_t)imm);
    } else {
        byte(e, 0x48 | reg >> 3);
        byte(e, 0xb8 | (reg & 7));
        emit_bytes(e, 8, imm);
    }
}

void emit_store_imm(struct emit *e, unsigned w, struct x86_mem mem, int32_t imm)
{
    rex_if_needed(e, rex_of(w, 0, mem.index, mem.base));
    byte(e, 0xc7);
    modrm_mem(e, 0, mem);
    dword(e, imm);
}

/* An opcode with a /digit and one register operand. */
static void one_register(struct emit *e, unsigned w, unsigned opcode, unsigned digit, unsigned reg)
{
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    byte(e, opcode);
    modrm(e, 3, digit, reg);
}

void emit_test_imm(struct emit *e, unsigned w, unsigned reg, int32_t imm)
{
    e->flags_written++;
    one_register(e, w, 0xf7, 0, reg);
    dword(e, imm);
}

void emit_bit_imm(struct emit *e, unsigned digit, unsigned w, unsigned reg, unsigned bit)
{
    e->flags_written++;
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    emit_bytes(e, 2, 0xba0f);
    modrm(e, 3, digit, reg);
    byte(e, bit);
}

void emit_bt_imm(struct emit *e, unsigned w, unsigned reg, unsigned bit) { emit_bit_imm(e, 4, w, reg, bit); }

void emit_shift_imm(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg, unsigned count)
{
    e->flags_written++;
    one_register(e, w, 0xc1, shift, reg);
    byte(e, count);
}

void emit_shift_cl(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg)
{
    e->flags_written++;
    one_register(e, w, 0xd3, shift, reg);
}

void emit_unary(struct emit *e, enum x86_unary op, unsigned w, unsigned reg)
{
    e->flags_written += op != UNARY_NOT;
    one_register(e, w, 0xf7, op, reg);
}

void emit_bswap(struct emit *e, unsigned w, unsigned reg)
{
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    byte(e, 0x0f);
    byte(e, 0xc8 | (reg & 7));
}

void emit_shrd_imm(struct emit *e, unsigned w, unsigned low, unsigned high, unsigned count)
{
    e->flags_written++;
    rex_if_needed(e, rex_of(w, high, NO_REG, low));
    emit_bytes(e, 2, 0xac0f);
    modrm(e, 3, high, low);
    byte(e, count);
}

void emit_locked(struct emit *e, enum x86_op op, unsigned w, unsigned reg, struct x86_mem mem)
{
    byte(e, 0xf0);
    emit_rm(e, op, w, reg, mem);
}

void emit_cqo(struct emit *e, unsigned w) { w == 64 ? emit_bytes(e, 2, 0x9948) : byte(e, 0x99); }

void emit_imul_imm(struct emit *e, unsigned w, unsigned dst, unsigned src, int32_t imm)
{
    e->flags_written++;
    rex_if_needed(e, rex_of(w, dst, NO_REG, src));
    byte(e, is_byte_sized(imm) ? 0x6b : 0x69);
    modrm(e, 3, dst, src);
    immediate(e, imm);
}

/* --- VEX and EVEX --- */

/* rm and index: register numbers, or those of the address; first: VEX.vvvv, VEX_NONE if there is none. */
static void vex_prefix(struct emit *e, unsigned map, unsigned pp, unsigned w, unsigned reg, unsigned first, unsigned index,
                       unsigned rm)
{
    unsigned vvvv = first == VEX_NONE ? 0 : first;
    if (map == 1 && !w && index < 8 && rm < 8) {
        byte(e, 0xc5);
        byte(e, (~reg >> 3 & 1) << 7 | (~vvvv & 15) << 3 | pp);
        return;
    }
    byte(e, 0xc4);
    byte(e, (~reg >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~rm >> 3 & 1) << 5 | map);
    byte(e, w << 7 | (~vvvv & 15) << 3 | pp);
}

/* 128 bits; index holds bit 4 of a register operand in its bit 3. */
static void evex_prefix(struct emit *e, unsigned map, unsigned pp, unsigned w, unsigned reg, unsigned first, unsigned index,
                        unsigned rm)
{
    unsigned vvvv = first == VEX_NONE ? 0 : first;
    byte(e, 0x62);
    byte(e, (~reg >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~rm >> 3 & 1) << 5 | (~reg >> 4 & 1) << 4 | map);
    byte(e, w << 7 | (~vvvv & 15) << 3 | 1 << 2 | pp);
    byte(e, (~vvvv >> 4 & 1) << 3);
}

void emit_shift_by(struct emit *e, enum x86_shift shift, unsigned w, unsigned dst, unsigned src, unsigned count)
{
    vex_prefix(e, 2, shift == SHIFT_SHL ? 1 : shift == SHIFT_SHR ? 3 : 2, w == 64, dst, count, 0, src);
    byte(e, 0xf7);
    modrm(e, 3, dst, src);
}

void emit_mulx(struct emit *e, unsigned high, unsigned low, unsigned rm)
{
    vex_prefix(e, 2, 3, true, high, low, 0, rm);
    byte(e, 0xf6);
    modrm(e, 3, high, rm);
}

void emit_mulx_mem(struct emit *e, unsigned high, unsigned low, struct x86_mem mem)
{
    vex_prefix(e, 2, 3, true, high, low, mem.index == NO_REG ? 0 : mem.index, mem.base);
    byte(e, 0xf6);
    modrm_mem(e, high, mem);
}

void emit_rorx(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned count)
{
    vex_prefix(e, 3, 3, w == 64, dst, VEX_NONE, 0, src);
    byte(e, 0xf0);
    modrm(e, 3, dst, src);
    byte(e, count);
}

void emit_andn(struct emit *e, unsigned w, unsigned dst, unsigned not, unsigned src)
{
    e->flags_written++;
    vex_prefix(e, 2, 0, w == 64, dst, not, 0, src);
    byte(e, 0xf2);
    modrm(e, 3, dst, src);
}

bool emit_v_has(enum x86_vop op, enum host_level level, unsigned reg)
{
    char needs = vector_rows[op].needs;
    return op != V_NONE && (needs != 'A' || level >= HOST_V3) && (needs != 'E' || level >= HOST_V4) &&
           (needs != 'L' || reg < 16);
}

bool emit_v_commutes(enum x86_vop op) { return vector_rows[op].commutes; }

static void legacy_opcode(struct emit *e, enum x86_vop op, bool wide, unsigned reg, unsigned index, unsigned rm)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};
    unsigned map = vector_rows[op].map;
    if (vector_rows[op].pp)
        byte(e, prefixes[vector_rows[op].pp]);
    rex_if_needed(e, rex_of(wide ? 64 : 32, reg, index, rm));
    byte(e, 0x0f);
    if (map > 1)
        byte(e, map == 2 ? 0x38 : 0x3a);
    byte(e, vector_rows[op].opcode);
}

static bool sets_flags(enum x86_vop op)
{
    return op == V_PTEST || op == V_UCOMISS || op == V_UCOMISD || op == V_COMISS || op == V_COMISD;
}

/* REX.W in the legacy encoding: only where a general register is 64 bits wide. */
static bool legacy_wide(enum x86_vop op)
{
    return op == V_MOVQ_TO_X || op == V_MOVQ_FROM_X || op == V_PINSRQ || op == V_PEXTRQ;
}

static unsigned vex_w(enum x86_vop op)
{
    /* Of the operations of SSE only those with a general register tell by W; FMA, shifts and broadcasts do. */
    return legacy_wide(op) || (vector_rows[op].needs == 'A' && op != V_PBROADCASTQ) ? vector_rows[op].w : 0;
}

static void vector_rr(struct emit *e, enum x86_vop op, bool wide, unsigned reg, unsigned first, unsigned rm)
{
    unsigned map = vector_rows[op].map, pp = vector_rows[op].pp;
    e->flags_written += sets_flags(op);
    if (e->level < HOST_V3) {
        legacy_opcode(e, op, wide || legacy_wide(op), reg, NO_REG, rm);
    } else {
        bool high = reg > 15 || rm > 15 || (first != VEX_NONE && first > 15) || vector_rows[op].needs == 'E';
        if (high)
            evex_prefix(e, map, pp, wide || vector_rows[op].w, reg, first, rm >> 1, rm);
        else
            vex_prefix(e, map, pp, wide || vex_w(op), reg, first, 0, rm);
        byte(e, vector_rows[op].opcode);
    }
    modrm(e, 3, reg, rm);
}

void emit_v_rr(struct emit *e, enum x86_vop op, unsigned reg, unsigned first, unsigned rm)
{
    vector_rr(e, op, false, reg, first, rm);
}

void emit_v_wide_rr(struct emit *e, enum x86_vop op, bool wide, unsigned reg, unsigned first, unsigned rm)
{
    vector_rr(e, op, wide, reg, first, rm);
}

void emit_v_rm(struct emit *e, enum x86_vop op, unsigned reg, unsigned first, struct x86_mem mem)
{
    unsigned map = vector_rows[op].map, pp = vector_rows[op].pp, index = mem.index == NO_REG ? 0 : mem.index;
    e->flags_written += sets_flags(op);
    if (e->level < HOST_V3) {
        legacy_opcode(e, op, legacy_wide(op), reg, mem.index, mem.base);
        modrm_mem(e, reg, mem);
    } else if (reg > 15 || (first != VEX_NONE && first > 15) || vector_rows[op].needs == 'E') {
        evex_prefix(e, map, pp, vector_rows[op].w, reg, first, index, mem.base);
        byte(e, vector_rows[op].opcode);
        /* Only whole vectors are certain to have 16 as the unit of their displacement. */
        bool whole = op == V_MOVUPS || op == V_STOREUPS || op == V_MOVAPS;
        modrm_mem_scaled(e, reg, mem, whole ? 16 : 1 << 30);
    } else {
        vex_prefix(e, map, pp, vex_w(op), reg, first, index, mem.base);
        byte(e, vector_rows[op].opcode);
        modrm_mem(e, reg, mem);
    }
}

void emit_v_shift(struct emit *e, unsigned esz, unsigned digit, unsigned dst, unsigned src, unsigned count)
{
    bool evex_only = digit == 0 || (esz == 3 && digit == 4);
    unsigned opcode = evex_only ? 0x72 : 0x70 + esz;
    if (e->level < HOST_V3) {
        byte(e, 0x66);
        rex_if_needed(e, rex_of(32, 0, NO_REG, dst));
        byte(e, 0x0f);
        byte(e, opcode);
    } else {
        if (dst > 15 || src > 15 || evex_only)
            evex_prefix(e, 1, 1, esz == 3, digit, dst, src >> 1, src);
        else
            vex_prefix(e, 1, 1, 0, digit, dst, 0, src);
        byte(e, opcode);
    }
    modrm(e, 3, digit, e->level < HOST_V3 ? dst : src);
    byte(e, count);
}

void emit_sha(struct emit *e, enum x86_sha op, unsigned reg, unsigned rm)
{
    rex_if_needed(e, rex_of(32, reg, NO_REG, rm));
    emit_bytes(e, 2, 0x380f);
    byte(e, op);
    modrm(e, 3, reg, rm);
}

void emit_sha1_rounds(struct emit *e, unsigned reg, unsigned rm, unsigned function)
{
    rex_if_needed(e, rex_of(32, reg, NO_REG, rm));
    emit_bytes(e, 3, 0xcc3a0f);
    modrm(e, 3, reg, rm);
    byte(e, (uint8_t)function);
}

void emit_mxcsr(struct emit *e, unsigned digit, struct x86_mem mem)
{
    rex_if_needed(e, rex_of(32, 0, mem.index, mem.base));
    emit_bytes(e, 2, 0xae0f);
    modrm_mem(e, digit, mem);
}

void emit_setcc(struct emit *e, enum x86_cc cc, unsigned reg)
{
    byte(e, 0x40 | reg >> 3);
    byte(e, 0x0f);
    byte(e, 0x90 | cc);
    modrm(e, 3, 0, reg);
}

void emit_cmov(struct emit *e, enum x86_cc cc, unsigned w, unsigned reg, unsigned rm)
{
    rex_if_needed(e, rex_of(w, reg, NO_REG, rm));
    byte(e, 0x0f);
    byte(e, 0x40 | cc);
    modrm(e, 3, reg, rm);
}

uint8_t *emit_jcc(struct emit *e, enum x86_cc cc)
{
    byte(e, 0x0f);
    byte(e, 0x80 | cc);
    dword(e, 0);
    return e->at - 4;
}

uint8_t *emit_jmp(struct emit *e)
{
    byte(e, 0xe9);
    dword(e, 0);
    return e->at - 4;
}

void emit_patch(uint8_t *displacement, const void *target)
{
    int32_t distance = (int32_t)((const uint8_t *)target - (displacement + 4));
    memcpy(displacement, &distance, 4);
}

void emit_jmp_to(struct emit *e, const void *target)
{
    uint8_t *place = emit_jmp(e);
    if (!e->full)
        emit_patch(place, target);
}

void emit_jcc_to(struct emit *e, enum x86_cc cc, const void *target)
{
    uint8_t *place = emit_jcc(e, cc);
    if (!e->full)
        emit_patch(place, target);
}

void emit_jmp_reg(struct emit *e, unsigned reg)
{
    rex_if_needed(e, reg >> 3);
    byte(e, 0xff);
    modrm(e, 3, 4, reg);
}

void emit_call_to(struct emit *e, const void *target)
{
    byte(e, 0xe8);
    dword(e, 0);
    if (!e->full)
        emit_patch(e->at - 4, target);
}
