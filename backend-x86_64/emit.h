/* The emitter: bytes of x86-64 instructions, by the table x86.def and a few forms of their own. */
#ifndef BACKEND_EMIT_H
#define BACKEND_EMIT_H

#include <stdbool.h>
#include <stdint.h>

enum host_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_REG = 0xff };

/* Condition codes as in the opcodes of Jcc, SETcc and CMOVcc; cc ^ 1 is the opposite. */
enum x86_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

enum x86_op {
#define X86_RM(name, prefix, map, opcode) X86_##name,
#define X86_MR(name, prefix, map, opcode) X86_##name,
#define X86_V(name, pp, map, opcode, w, needs, commutes)
#include "x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
    X86_OP_COUNT
};

enum x86_vop {
    V_NONE,
#define X86_RM(name, prefix, map, opcode)
#define X86_MR(name, prefix, map, opcode)
#define X86_V(name, pp, map, opcode, w, needs, commutes) V_##name,
#include "x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
    X86_VOP_COUNT
};

/* [base + index * (1 << scale) + displacement]; index may be NO_REG, not RSP. */
struct x86_mem {
    uint8_t base, index, scale;
    int32_t displacement;
};

static inline struct x86_mem x86_at(unsigned base, int32_t displacement)
{
    return (struct x86_mem){(uint8_t)base, NO_REG, 0, displacement};
}

/* x86-64 micro-architecture levels: SSE4.2; AVX2, BMI2, FMA, F16C; AVX-512 F, BW, DQ, VL. */
enum host_level { HOST_V2 = 2, HOST_V3, HOST_V4 };

/* The output. Past the end nothing is written and `full` is set. */
struct emit {
    uint8_t *at, *end;
    bool full;
    uint8_t level;           /* enum host_level: VEX from 3 on, EVEX from 4 on; 0 is 2 */
    unsigned flags_written;  /* instructions so far that wrote EFLAGS */
};

/* w is the operand size in bits, 32 or 64 (rows with a size of their own: 32). */
void emit_rr(struct emit *e, enum x86_op op, unsigned w, unsigned reg, unsigned rm);
void emit_rm(struct emit *e, enum x86_op op, unsigned w, unsigned reg, struct x86_mem mem);

/* ADD, OR, ADC, SBB, AND, SUB, XOR, CMP with an immediate: on a register, or on 32 bits of memory. */
void emit_ri(struct emit *e, enum x86_op op, unsigned w, unsigned reg, int32_t imm);
void emit_mi32(struct emit *e, enum x86_op op, struct x86_mem mem, int32_t imm);
void emit_mov_imm(struct emit *e, unsigned reg, uint64_t imm); /* the shortest form; flags are kept */
void emit_store_imm(struct emit *e, unsigned w, struct x86_mem mem, int32_t imm);
void emit_test_imm(struct emit *e, unsigned w, unsigned reg, int32_t imm);
void emit_bt_imm(struct emit *e, unsigned w, unsigned reg, unsigned bit);
/* BT 4, BTS 5, BTR 6, BTC 7. */
void emit_bit_imm(struct emit *e, unsigned digit, unsigned w, unsigned reg, unsigned bit);

/* Shifts and rotates by an immediate or by CL; the value is the /digit. */
enum x86_shift { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR, SHIFT_SAR = 7 };
void emit_shift_imm(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg, unsigned count);
void emit_shift_cl(struct emit *e, enum x86_shift shift, unsigned w, unsigned reg);

/* One operand; MUL to IDIV use RDX:RAX. The value is the /digit. */
/* UNARY_TEST has a number of four bytes behind it. */
enum x86_unary { UNARY_TEST, UNARY_NOT = 2, UNARY_NEG, UNARY_MUL, UNARY_IMUL, UNARY_DIV, UNARY_IDIV };
void emit_unary(struct emit *e, enum x86_unary op, unsigned w, unsigned reg);
void emit_bswap(struct emit *e, unsigned w, unsigned reg);
void emit_shrd_imm(struct emit *e, unsigned w, unsigned low, unsigned high, unsigned count);

/* With a lock prefix; memory only. */
void emit_locked(struct emit *e, enum x86_op op, unsigned w, unsigned reg, struct x86_mem mem);
/* BMI2: SHLX, SHRX, SARX of src by the low bits of `count`; RORX by an immediate; BMI: ANDN, ~not & src. */
void emit_shift_by(struct emit *e, enum x86_shift shift, unsigned w, unsigned dst, unsigned src, unsigned count);
void emit_rorx(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned count);
/* RDX * rm; leaves EFLAGS alone. */
void emit_mulx(struct emit *e, unsigned high, unsigned low, unsigned rm);
void emit_mulx_mem(struct emit *e, unsigned high, unsigned low, struct x86_mem mem);
void emit_andn(struct emit *e, unsigned w, unsigned dst, unsigned not, unsigned src);
void emit_imul_imm(struct emit *e, unsigned w, unsigned dst, unsigned src, int32_t imm);
void emit_cqo(struct emit *e, unsigned w); /* CDQ, CQO */

/* Vectors: registers XMM0 to XMM31; those above 15 on level 4 only, and not in rows that need L. With three operands,
 * reg = op(first, rm); where the encoding has only two (level 2), first must be reg. Operations of one operand: first
 * is 0 in the encoding of levels 3 and 4, so pass VEX_NONE. `wide`: a general register of 64 bits (REX.W). */
enum { VEX_NONE = 0xff };
bool emit_v_has(enum x86_vop op, enum host_level level, unsigned reg); /* whether the form exists with this register */
bool emit_v_commutes(enum x86_vop op);
void emit_v_rr(struct emit *e, enum x86_vop op, unsigned reg, unsigned first, unsigned rm);
void emit_v_rm(struct emit *e, enum x86_vop op, unsigned reg, unsigned first, struct x86_mem mem);
void emit_v_wide_rr(struct emit *e, enum x86_vop op, bool wide, unsigned reg, unsigned first, unsigned rm);
/* Shifts of lanes by an immediate: esz 1 to 3, digit 0 rotated right (4 and 8 bytes, on level 4 only), 2 right, 4 arithmetic right (of quadwords on level 4 only),
 * 6 left; and of the whole register by bytes: esz 3, digit 3 right, 7 left. On level 2 src must be dst. */
void emit_v_shift(struct emit *e, unsigned esz, unsigned digit, unsigned dst, unsigned src, unsigned count);
/* The SHA extensions, in legacy encoding: registers XMM0 to XMM15. SHA256RNDS2 has the round's words in XMM0. */
enum x86_sha { SHA256RNDS2 = 0xcb, SHA256MSG1, SHA256MSG2 };
void emit_sha1_rounds(struct emit *e, unsigned reg, unsigned rm, unsigned function);
void emit_sha(struct emit *e, enum x86_sha op, unsigned reg, unsigned rm);
/* LDMXCSR 2, STMXCSR 3. */
void emit_mxcsr(struct emit *e, unsigned digit, struct x86_mem mem);

void emit_setcc(struct emit *e, enum x86_cc cc, unsigned reg); /* the low byte only */
void emit_cmov(struct emit *e, enum x86_cc cc, unsigned w, unsigned reg, unsigned rm);
void emit_bytes(struct emit *e, unsigned count, uint64_t bytes); /* up to 8, the lowest first */

/* Jumps with 32-bit displacements. Those without a target return the place of the displacement for emit_patch();
 * when the output is full the place is harmless. */
uint8_t *emit_jcc(struct emit *e, enum x86_cc cc);
uint8_t *emit_jmp(struct emit *e);
void emit_jmp_to(struct emit *e, const void *target);
void emit_jcc_to(struct emit *e, enum x86_cc cc, const void *target);
void emit_jmp_reg(struct emit *e, unsigned reg);
void emit_call_to(struct emit *e, const void *target);
void emit_patch(uint8_t *displacement, const void *target);

#endif
