/* Encoding of x86-64 instructions (Intel SDM volume 2, chapter 2). */
#include "emit.h"

#include <string.h>

static const struct {
    uint8_t prefix, map, opcode;
} rows[] = {
#define X86_RM(name, prefix, map, opcode) [X86_##name] = {prefix, map, opcode},
#define X86_MR(name, prefix, map, opcode) [X86_##name] = {prefix, map, opcode},
#include "x86.def"
#undef X86_RM
#undef X86_MR
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
static bool has_byte_register(enum x86_op op) { return op == X86_STORE8 || op == X86_MOVZX8 || op == X86_MOVSX8; }

static void row_opcode(struct emit *e, enum x86_op op, unsigned rex)
{
    if (rows[op].prefix)
        byte(e, rows[op].prefix);
    if (rex || has_byte_register(op))
        byte(e, 0x40 | rex);
    if (rows[op].map)
        byte(e, 0x0f);
    byte(e, rows[op].opcode);
}

static void modrm_mem(struct emit *e, unsigned reg, struct x86_mem mem)
{
    bool sib = mem.index != NO_REG || (mem.base & 7) == RSP;
    bool small = mem.displacement >= -128 && mem.displacement <= 127;
    unsigned mod = !mem.displacement && (mem.base & 7) != RBP ? 0 : small ? 1 : 2;
    modrm(e, mod, reg, sib ? RSP : mem.base);
    if (sib)
        modrm(e, mem.scale, mem.index == NO_REG ? RSP : mem.index, mem.base);
    if (mod == 1)
        byte(e, (uint8_t)mem.displacement);
    else if (mod == 2)
        dword(e, mem.displacement);
}

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
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    byte(e, is_byte_sized(imm) ? 0x83 : 0x81);
    modrm(e, 3, digit_of(op), reg);
    immediate(e, imm);
}

void emit_mi32(struct emit *e, enum x86_op op, struct x86_mem mem, int32_t imm)
{
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
    one_register(e, w, 0xf7, 0, reg);
    dword(e, imm);
}

void emit_bit_imm(struct emit *e, unsigned digit, unsigned w, unsigned reg, unsigned bit)
{
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    emit_bytes(e, 2, 0xba0f);
    modrm(e, 3, digit, reg);
    byte(e, bit);
}

void emit_bt_imm(struct emit *e, unsigned w, unsigned reg, unsigned bit) { emit_bit_imm(e, 4, w, reg, bit); }

void emit_shift_imm(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg, unsigned count)
{
    one_register(e, w, 0xc1, shift, reg);
    byte(e, count);
}

void emit_shift_cl(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg) { one_register(e, w, 0xd3, shift, reg); }
void emit_unary(struct emit *e, enum x86_unary op, unsigned w, unsigned reg) { one_register(e, w, 0xf7, op, reg); }

void emit_bswap(struct emit *e, unsigned w, unsigned reg)
{
    rex_if_needed(e, rex_of(w, 0, NO_REG, reg));
    byte(e, 0x0f);
    byte(e, 0xc8 | (reg & 7));
}

void emit_shrd_imm(struct emit *e, unsigned w, unsigned low, unsigned high, unsigned count)
{
    rex_if_needed(e, rex_of(w, high, NO_REG, low));
    emit_bytes(e, 2, 0xac0f);
    modrm(e, 3, high, low);
    byte(e, count);
}

static void sse_opcode(struct emit *e, unsigned prefix, unsigned map, unsigned opcode, unsigned rex)
{
    if (prefix)
        byte(e, prefix);
    rex_if_needed(e, rex);
    byte(e, 0x0f);
    if (map > 1)
        byte(e, map == 2 ? 0x38 : 0x3a);
    byte(e, opcode);
}

void emit_sse_rr(struct emit *e, unsigned prefix, unsigned map, unsigned opcode, unsigned w, unsigned reg, unsigned rm)
{
    sse_opcode(e, prefix, map, opcode, rex_of(w, reg, NO_REG, rm));
    modrm(e, 3, reg, rm);
}

void emit_sse_rm(struct emit *e, unsigned prefix, unsigned map, unsigned opcode, unsigned reg, struct x86_mem mem)
{
    sse_opcode(e, prefix, map, opcode, rex_of(32, reg, mem.index, mem.base));
    modrm_mem(e, reg, mem);
}

void emit_sse_shift(struct emit *e, unsigned opcode, unsigned digit, unsigned reg, unsigned imm)
{
    sse_opcode(e, 0x66, 1, opcode, 0);
    modrm(e, 3, digit, reg);
    byte(e, imm);
}

void emit_fma231(struct emit *e, unsigned opcode, unsigned w, unsigned dst, unsigned a, struct x86_mem mem)
{
    byte(e, 0xc4);
    byte(e, 0xe2 ^ (mem.base >> 3 & 1) << 5);
    byte(e, (w == 64 ? 0x80 : 0) | (~a & 15) << 3 | 1);
    byte(e, opcode);
    modrm_mem(e, dst, mem);
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
