/* The vocabulary of the meanings. sem_*.inc is compiled twice: by interp.c, where VAL is a uint64_t and VEC a
 * union vec, and by lift.c, where both name values of the IR. The includer defines VAL, VEC, struct cx (with the
 * members w, the operation's width in bits, and sp_moved, which it looks at behind each meaning), v_<name>() for each
 * row of ir_ops.def, v_const(), v_address(), read_x() and write_x() with their kin for vector registers and flags,
 * negated(), absolute(), with_signs(), muladd_bfloat(), merged(), branch(),
 * branch_if(), branch_to(), stop(); this file adds what both share.
 *
 *   v_add(cx, a, b)             at the instruction's width (in->sf); v64_add() always at 64 bits, v32_add() at 32
 *   v_fadd(cx, shape, a, b)     each lane of a vector; scalar floating point is one lane
 *   v_address(cx, value)        a constant that is made from the instruction's own address
 *   branch(cx, target, kind)    to a constant; branch_if(cx, truth, target) else falls through
 *   branch_to(cx, value, kind)  to a value
 *   negated(cx, shape, a)       [FPNeg]; absolute(cx, shape, a): [FPAbs]; with_signs(cx, shape, a, signs): [FPNeg] of the
 *                               lanes with a sign bit in signs. FPCR.AH lets them leave NaNs alone.
 *   muladd_bfloat(cx, shape, sum, a, b)  v_fmuladd() of singles made from bfloats, which FPCR.AH changes more
 *   merged(cx, shape, a, r)     what a scalar's register gets: with FPCR.NEP the other elements are those of register r
 *   stop(cx, reason, imm)       leaves the engine; the instruction's other effects are done
 *
 * Decide with a C `if` on fields of the instruction only, never on a VAL: lift.c doesn't compile otherwise.
 * Loads come before the writes of registers, so that a fault leaves the registers as they were. */
#ifndef SEM
#define SEM(name) static inline __attribute__((always_inline)) void sem_##name(struct cx *cx, const struct a64_insn *in)
#define SEM_HELPER static inline __attribute__((always_inline, unused))
#endif

/* General registers: 31 is ZR for get and put, SP for get_sp and put_sp. Values of width 32 are zero-extended
 * already, so that put writes all 64 bits. */
SEM_HELPER VAL get64(struct cx *cx, unsigned r) { return r == 31 ? v_const(cx, 0) : read_x(cx, r); }
SEM_HELPER VAL get64_sp(struct cx *cx, unsigned r) { return read_x(cx, r); }

SEM_HELPER VAL get(struct cx *cx, unsigned r)
{
    return cx->w == 32 ? v64_zext32(cx, get64(cx, r)) : get64(cx, r);
}

SEM_HELPER VAL get_sp(struct cx *cx, unsigned r)
{
    return cx->w == 32 ? v64_zext32(cx, get64_sp(cx, r)) : get64_sp(cx, r);
}

SEM_HELPER void put(struct cx *cx, unsigned r, VAL value)
{
    if (r != 31)
        write_x(cx, value, r);
}

/* keeps: SP is a multiple of 16 behind it if it was one before. Engines rely on that (core/engine.c). */
SEM_HELPER void put_sp(struct cx *cx, unsigned r, VAL value, bool keeps)
{
    write_x(cx, value, r);
    cx->sp_moved |= r == 31 && !keeps;
}

/* For a sum of register r and a constant. */
SEM_HELPER bool keeps_sp(unsigned r, int64_t bytes) { return r == 31 && bytes % 16 == 0; }

/* SIMD&FP registers. */
SEM_HELPER VEC get_v(struct cx *cx, unsigned r) { return read_vreg(cx, r); }
SEM_HELPER void put_v(struct cx *cx, unsigned r, VEC value) { write_vreg(cx, value, r); }

SEM_HELPER VAL get_nzcv(struct cx *cx) { return read_nzcv(cx); }
SEM_HELPER void put_nzcv(struct cx *cx, VAL flags) { write_nzcv(cx, flags); }
SEM_HELPER VAL condition(struct cx *cx, unsigned cond) { return v64_cond(cx, get_nzcv(cx), cond); }
SEM_HELPER VAL carry(struct cx *cx) { return v64_carry(cx, get_nzcv(cx)); }

/* Shapes of vectors: a scalar, or all elements of 1 << esz bytes in a 64- or 128-bit (q) vector. */
SEM_HELPER struct shape scalar(unsigned esz) { return (struct shape){esz, 1}; }
SEM_HELPER struct shape vector(unsigned q, unsigned esz) { return (struct shape){esz, (8u << q) >> esz}; }

/* [ShiftReg] with the instruction's stype and shift; [ExtendReg] with its option and shift. */
SEM_HELPER VAL shifted(struct cx *cx, const struct a64_insn *in, unsigned r)
{
    VAL value = get(cx, r);
    if (!in->shift)
        return value;
    VAL amount = v_const(cx, in->shift);
    switch (in->stype) {
    case 0:
        return v_shl(cx, value, amount);
    case 1:
        return v_lsr(cx, value, amount);
    case 2:
        return v_asr(cx, value, amount);
    default:
        return v_ror(cx, value, amount);
    }
}

SEM_HELPER VAL extend(struct cx *cx, VAL value, unsigned option)
{
    switch (option) {
    case 0:
        return v64_zext8(cx, value);
    case 1:
        return v64_zext16(cx, value);
    case 2:
        return v64_zext32(cx, value);
    case 4:
        return v64_sext8(cx, value);
    case 5:
        return v64_sext16(cx, value);
    case 6:
        return v64_sext32(cx, value);
    default:
        return value;
    }
}

SEM_HELPER VAL extended(struct cx *cx, const struct a64_insn *in, unsigned r)
{
    VAL value = extend(cx, get64(cx, r), in->option);
    if (in->shift)
        value = v64_shl(cx, value, v_const(cx, in->shift));
    return cx->w == 32 ? v64_zext32(cx, value) : value;
}
