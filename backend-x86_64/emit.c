/* Encoding of x86-64 instructions (Intel SDM volume 2, chapter 2). */
#include "emit.h"

#include <string.h>

/* The opcode with its map's bytes before it, the first one lowest, and how many bytes these are. */
#define WITH_MAP(map, opcode) \
    ((map) == 0 ? (opcode) : (map) == 1 ? 0x0f | (opcode) << 8 : 0x0f | ((map) == 2 ? 0x38 : 0x3a) << 8 | (opcode) << 16)
#define BYTES_WITH_MAP(map) ((map) == 0 ? 1 : (map) == 1 ? 2 : 3)

static const struct {
    uint8_t prefix, count;
    uint32_t bytes;
} rows[] = {
#define X86_RM(name, prefix, map, opcode) [X86_##name] = {prefix, BYTES_WITH_MAP(map), WITH_MAP(map, opcode)},
#define X86_MR X86_RM
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

/* An instruction up to its operands: seven bytes at most, and a displacement of one byte. They go out at once. */
struct head {
    uint64_t bytes;
    unsigned count;
};

static void add(struct head *head, unsigned count, uint64_t bytes)
{
    head->bytes |= bytes << 8 * head->count;
    head->count += count;
}

static void modrm(struct emit *e, struct head *head, unsigned mod, unsigned reg, unsigned rm)
{
    add(head, 1, mod << 6 | (reg & 7) << 3 | (rm & 7));
    emit_bytes(e, head->count, head->bytes);
}

static unsigned rex_of(unsigned w, unsigned reg, unsigned index, unsigned base)
{
    return (w == 64 ? 8u : 0) | (reg >> 3 & 1) << 2 | (index != NO_REG ? index >> 3 & 1 : 0) << 1 | (base >> 3 & 1);
}

static struct head with_rex(unsigned rex) { return (struct head){rex ? 0x40 | rex : 0, rex != 0}; }

/* An opcode of one byte. */
static struct head with_opcode(unsigned rex, unsigned opcode)
{
    struct head head = with_rex(rex);
    add(&head, 1, opcode);
    return head;
}

/* Byte registers 4 to 7 are SPL to DIL only with a REX prefix. */
static const bool has_byte_register[X86_OP_COUNT] = {
    [X86_STORE8] = true, [X86_MOVZX8] = true,   [X86_MOVSX8] = true,  [X86_XCHG8] = true,
    [X86_XADD8] = true,  [X86_CMPXCHG8] = true, [X86_CRC32_8] = true,
};

static const bool keeps_flags[X86_OP_COUNT] = {
    [X86_MOV] = true,    [X86_LEA] = true,     [X86_MOVSXD] = true, [X86_MOVZX8] = true,  [X86_MOVZX16] = true,
    [X86_MOVSX8] = true, [X86_MOVSX16] = true, [X86_CRC32] = true,  [X86_CRC32_8] = true, [X86_STORE] = true,
    [X86_STORE16] = true, [X86_STORE8] = true, [X86_XCHG] = true,   [X86_XCHG16] = true,  [X86_XCHG8] = true,
};

static struct head row_head(struct emit *e, enum x86_op op, unsigned rex)
{
    struct head head = {rows[op].prefix, rows[op].prefix != 0};
    e->flags_written += !keeps_flags[op];
    if (rex || has_byte_register[op])
        add(&head, 1, 0x40 | rex);
    add(&head, rows[op].count, rows[op].bytes);
    return head;
}

/* `unit`: log2 of EVEX's unit of the one-byte displacement, or NO_UNIT; 0 in other encodings. */
enum { NO_UNIT = 30 };
static void modrm_mem_scaled(struct emit *e, struct head *head, unsigned reg, struct x86_mem mem, unsigned unit)
{
    bool sib = mem.index != NO_REG || (mem.base & 7) == RSP;
    int32_t units = mem.displacement >> unit;
    bool small = !(mem.displacement & ((1 << unit) - 1)) && units == (int8_t)units;
    unsigned mod = !mem.displacement && (mem.base & 7) != RBP ? 0 : small ? 1 : 2;
    add(head, 1, mod << 6 | (reg & 7) << 3 | (sib ? RSP : mem.base & 7));
    if (sib)
        add(head, 1, (unsigned)mem.scale << 6 | ((mem.index == NO_REG ? RSP : mem.index) & 7) << 3 | (mem.base & 7));
    if (mod == 1)
        add(head, 1, (uint8_t)units);
    emit_bytes(e, head->count, head->bytes);
    if (mod == 2)
        dword(e, mem.displacement);
}

static void modrm_mem(struct emit *e, struct head *head, unsigned reg, struct x86_mem mem)
{
    modrm_mem_scaled(e, head, reg, mem, 0);
}

void emit_rr(struct emit *e, enum x86_op op, unsigned w, unsigned reg, unsigned rm)
{
    struct head head = row_head(e, op, rex_of(w, reg, NO_REG, rm));
    modrm(e, &head, 3, reg, rm);
}

void emit_rm(struct emit *e, enum x86_op op, unsigned w, unsigned reg, struct x86_mem mem)
{
    struct head head = row_head(e, op, rex_of(w, reg, mem.index, mem.base));
    modrm_mem(e, &head, reg, mem);
}

/* The arithmetic rows' opcodes hold the /digit of the forms with an immediate, 81 and 83. */
static unsigned digit_of(enum x86_op op) { return rows[op].bytes >> 3; }
static bool is_byte_sized(int32_t imm) { return imm >= -128 && imm <= 127; }

static void immediate(struct emit *e, int32_t imm) { is_byte_sized(imm) ? byte(e, (uint8_t)imm) : dword(e, imm); }

/* An opcode with a /digit and one register operand. */
static void one_register(struct emit *e, unsigned w, unsigned opcode, unsigned digit, unsigned reg)
{
    struct head head = with_opcode(rex_of(w, 0, NO_REG, reg), opcode);
    modrm(e, &head, 3, digit, reg);
}

void emit_ri(struct emit *e, enum x86_op op, unsigned w, unsigned reg, int32_t imm)
{
    e->flags_written++;
    struct head head = with_opcode(rex_of(w, 0, NO_REG, reg), is_byte_sized(imm) ? 0x83 : 0x81);
    modrm(e, &head, 3, digit_of(op), reg);
    immediate(e, imm);
}

void emit_mi32(struct emit *e, enum x86_op op, struct x86_mem mem, int32_t imm)
{
    e->flags_written++;
    struct head head = with_opcode(rex_of(32, 0, mem.index, mem.base), is_byte_sized(imm) ? 0x83 : 0x81);
    modrm_mem(e, &head, digit_of(op), mem);
    immediate(e, imm);
}

void emit_mov_imm(struct emit *e, unsigned reg, uint64_t imm)
{
    if (imm <= UINT32_MAX) {
        struct head head = with_opcode(reg >> 3, 0xb8 | (reg & 7));
        add(&head, 4, imm);
        emit_bytes(e, head.count, head.bytes);
    } else if ((int64_t)imm == (int32_t)imm) {
        one_register(e, 64, 0xc7, 0, reg);
        dword(e, (int32_t)imm);
    } else {
        emit_bytes(e, 2, 0x48 | reg >> 3 | (0xb8 | (reg & 7)) << 8);
        emit_bytes(e, 8, imm);
    }
}

void emit_store_imm(struct emit *e, unsigned w, struct x86_mem mem, int32_t imm)
{
    struct head head = with_opcode(rex_of(w, 0, mem.index, mem.base), 0xc7);
    modrm_mem(e, &head, 0, mem);
    dword(e, imm);
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
    struct head head = with_rex(rex_of(w, 0, NO_REG, reg));
    add(&head, 2, 0xba0f);
    modrm(e, &head, 3, digit, reg);
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
    struct head head = with_rex(rex_of(w, 0, NO_REG, reg));
    add(&head, 2, 0x0f | (0xc8 | (reg & 7)) << 8);
    emit_bytes(e, head.count, head.bytes);
}

void emit_shrd_imm(struct emit *e, unsigned w, unsigned low, unsigned high, unsigned count)
{
    e->flags_written++;
    struct head head = with_rex(rex_of(w, high, NO_REG, low));
    add(&head, 2, 0xac0f);
    modrm(e, &head, 3, high, low);
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
    struct head head = with_opcode(rex_of(w, dst, NO_REG, src), is_byte_sized(imm) ? 0x6b : 0x69);
    modrm(e, &head, 3, dst, src);
    immediate(e, imm);
}

/* --- VEX and EVEX --- */

/* rm and index: register numbers, or those of the address; first: VEX.vvvv, VEX_NONE if there is none. */
static struct head vex_head(unsigned map, unsigned pp, unsigned w, unsigned opcode, unsigned reg, unsigned first,
                            unsigned index, unsigned rm)
{
    unsigned vvvv = first == VEX_NONE ? 0 : first, r = (~reg >> 3 & 1) << 7, last = (~vvvv & 15) << 3 | pp;
    if (map == 1 && !w && index < 8 && rm < 8)
        return (struct head){0xc5 | (r | last) << 8 | opcode << 16, 3};
    unsigned second = r | (~index >> 3 & 1) << 6 | (~rm >> 3 & 1) << 5 | map;
    return (struct head){0xc4 | second << 8 | (w << 7 | last) << 16 | (uint64_t)opcode << 24, 4};
}

/* 128 bits; index holds bit 4 of a register operand in its bit 3. */
static struct head evex_head(unsigned map, unsigned pp, unsigned w, unsigned opcode, unsigned reg, unsigned first,
                             unsigned index, unsigned rm)
{
    unsigned vvvv = first == VEX_NONE ? 0 : first;
    unsigned second = (~reg >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~rm >> 3 & 1) << 5 | (~reg >> 4 & 1) << 4 | map;
    unsigned third = w << 7 | (~vvvv & 15) << 3 | 1 << 2 | pp, fourth = (~vvvv >> 4 & 1) << 3;
    return (struct head){0x62 | second << 8 | third << 16 | (uint64_t)fourth << 24 | (uint64_t)opcode << 32, 5};
}

void emit_shift_by(struct emit *e, enum x86_shift shift, unsigned w, unsigned dst, unsigned src, unsigned count)
{
    struct head head = vex_head(2, shift == SHIFT_SHL ? 1 : shift == SHIFT_SHR ? 3 : 2, w == 64, 0xf7, dst, count, 0, src);
    modrm(e, &head, 3, dst, src);
}

void emit_mulx(struct emit *e, unsigned high, unsigned low, unsigned rm)
{
    struct head head = vex_head(2, 3, true, 0xf6, high, low, 0, rm);
    modrm(e, &head, 3, high, rm);
}

void emit_mulx_mem(struct emit *e, unsigned high, unsigned low, struct x86_mem mem)
{
    struct head head = vex_head(2, 3, true, 0xf6, high, low, mem.index == NO_REG ? 0 : mem.index, mem.base);
    modrm_mem(e, &head, high, mem);
}

void emit_rorx(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned count)
{
    struct head head = vex_head(3, 3, w == 64, 0xf0, dst, VEX_NONE, 0, src);
    modrm(e, &head, 3, dst, src);
    byte(e, count);
}

void emit_andn(struct emit *e, unsigned w, unsigned dst, unsigned not, unsigned src)
{
    e->flags_written++;
    struct head head = vex_head(2, 0, w == 64, 0xf2, dst, not, 0, src);
    modrm(e, &head, 3, dst, src);
}

bool emit_v_has(enum x86_vop op, enum host_level level, unsigned reg)
{
    char needs = vector_rows[op].needs;
    return op != V_NONE && (needs != 'A' || level >= HOST_V3) && (needs != 'E' || level >= HOST_V4) &&
           (needs != 'L' || reg < 16);
}

bool emit_v_commutes(enum x86_vop op) { return vector_rows[op].commutes; }

static struct head legacy_head(enum x86_vop op, bool wide, unsigned reg, unsigned index, unsigned rm)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};
    unsigned prefix = prefixes[vector_rows[op].pp], map = vector_rows[op].map, opcode = vector_rows[op].opcode;
    unsigned rex = rex_of(wide ? 64 : 32, reg, index, rm);
    struct head head = {prefix, prefix != 0};
    if (rex)
        add(&head, 1, 0x40 | rex);
    add(&head, BYTES_WITH_MAP(map), WITH_MAP(map, opcode));
    return head;
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
    unsigned map = vector_rows[op].map, pp = vector_rows[op].pp, opcode = vector_rows[op].opcode;
    struct head head;
    e->flags_written += sets_flags(op);
    if (e->level < HOST_V3)
        head = legacy_head(op, wide || legacy_wide(op), reg, NO_REG, rm);
    else if (reg > 15 || rm > 15 || (first != VEX_NONE && first > 15) || vector_rows[op].needs == 'E')
        head = evex_head(map, pp, wide || vector_rows[op].w, opcode, reg, first, rm >> 1, rm);
    else
        head = vex_head(map, pp, wide || vex_w(op), opcode, reg, first, 0, rm);
    modrm(e, &head, 3, reg, rm);
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
    unsigned map = vector_rows[op].map, pp = vector_rows[op].pp, opcode = vector_rows[op].opcode;
    unsigned index = mem.index == NO_REG ? 0 : mem.index, unit = 0;
    struct head head;
    e->flags_written += sets_flags(op);
    if (e->level < HOST_V3) {
        head = legacy_head(op, legacy_wide(op), reg, mem.index, mem.base);
    } else if (reg > 15 || (first != VEX_NONE && first > 15) || vector_rows[op].needs == 'E') {
        head = evex_head(map, pp, vector_rows[op].w, opcode, reg, first, index, mem.base);
        /* Only whole vectors are certain to have 16 as the unit of their displacement. */
        unit = op == V_MOVUPS || op == V_STOREUPS || op == V_MOVAPS ? 4 : NO_UNIT;
    } else {
        head = vex_head(map, pp, vex_w(op), opcode, reg, first, index, mem.base);
    }
    modrm_mem_scaled(e, &head, reg, mem, unit);
}

void emit_v_shift(struct emit *e, unsigned esz, unsigned digit, unsigned dst, unsigned src, unsigned count)
{
    bool evex_only = digit == 0 || (esz == 3 && digit == 4);
    unsigned opcode = evex_only ? 0x72 : 0x70 + esz;
    struct head head;
    if (e->level < HOST_V3) {
        head = (struct head){0x66, 1};
        if (dst >> 3)
            add(&head, 1, 0x40 | rex_of(32, 0, NO_REG, dst));
        add(&head, 2, 0x0f | opcode << 8);
    } else if (dst > 15 || src > 15 || evex_only) {
        head = evex_head(1, 1, esz == 3, opcode, digit, dst, src >> 1, src);
    } else {
        head = vex_head(1, 1, 0, opcode, digit, dst, 0, src);
    }
    modrm(e, &head, 3, digit, e->level < HOST_V3 ? dst : src);
    byte(e, count);
}

void emit_sha(struct emit *e, enum x86_sha op, unsigned reg, unsigned rm)
{
    struct head head = with_rex(rex_of(32, reg, NO_REG, rm));
    add(&head, 3, 0x380f | (unsigned)op << 16);
    modrm(e, &head, 3, reg, rm);
}

void emit_sha1_rounds(struct emit *e, unsigned reg, unsigned rm, unsigned function)
{
    struct head head = with_rex(rex_of(32, reg, NO_REG, rm));
    add(&head, 3, 0xcc3a0f);
    modrm(e, &head, 3, reg, rm);
    byte(e, (uint8_t)function);
}

void emit_mxcsr(struct emit *e, unsigned digit, struct x86_mem mem)
{
    struct head head = with_rex(rex_of(32, 0, mem.index, mem.base));
    add(&head, 2, 0xae0f);
    modrm_mem(e, &head, digit, mem);
}

void emit_setcc(struct emit *e, enum x86_cc cc, unsigned reg)
{
    struct head head = {0x40 | reg >> 3 | 0x0f << 8 | (0x90 | cc) << 16, 3};
    modrm(e, &head, 3, 0, reg);
}

void emit_cmov(struct emit *e, enum x86_cc cc, unsigned w, unsigned reg, unsigned rm)
{
    struct head head = with_rex(rex_of(w, reg, NO_REG, rm));
    add(&head, 2, 0x0f | (0x40 | cc) << 8);
    modrm(e, &head, 3, reg, rm);
}

uint8_t *emit_jcc(struct emit *e, enum x86_cc cc)
{
    emit_bytes(e, 6, 0x0f | (0x80 | cc) << 8);
    return e->at - 4;
}

uint8_t *emit_jmp(struct emit *e)
{
    emit_bytes(e, 5, 0xe9);
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
    struct head head = with_opcode(reg >> 3, 0xff);
    modrm(e, &head, 3, 4, reg);
}

void emit_call_to(struct emit *e, const void *target)
{
    emit_bytes(e, 5, 0xe8);
    if (!e->full)
        emit_patch(e->at - 4, target);
}
