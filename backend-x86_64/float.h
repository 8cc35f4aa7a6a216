/* What the files of floating point share: float.c, float_steps.c, convert.c, half.c. */
#ifndef BACKEND_FLOAT_H
#define BACKEND_FLOAT_H

#include "lower.h"

#include <xemu/fp.h>

/* Rows for scalar single, scalar double, vector of singles, vector of doubles. */
struct fp_row {
    uint8_t ops[4];
};
enum x86_vop op_of(const struct ir_insn *insn, struct fp_row row);

/* Whether the host's unit computes with the shape at once: scalars, whole vectors, two singles. */
bool is_shape(const struct ir_insn *insn);
unsigned operand(struct lower *l, const struct ir_insn *insn, unsigned index); /* with zeros above */

/* t = op(a, b), which may trap and finds every guest register as it was: t is a temporary, or written by the
 * instruction alone. */
void emit_trapping(struct lower *l, enum x86_vop op, unsigned t, unsigned a, unsigned b);
/* The same of one operand; a scalar's rest is the operand's. */
void emit_trapping_unary(struct lower *l, const struct ir_insn *insn, enum x86_vop op, unsigned t, unsigned a);
/* The result of a scalar operation has the rest from an operand of `from_bytes`. */
void finish_scalar(struct lower *l, const struct ir_insn *insn, unsigned reg, unsigned from_bytes);

/* The rare case of an operation on registers a, b, c with the result in t. */
struct cold *open_cold(struct lower *l, const struct ir_insn *insn, unsigned a, unsigned b, unsigned c, unsigned t);
bool may_be_tiny(const struct ir_insn *insn);
void check_tiny(struct lower *l, const struct ir_insn *insn, struct cold *cold, unsigned t);

/* t = a rounded to the nearest integer, ties away from zero; zeros may have the wrong sign. u is free. */
void round_ties_away(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned u, unsigned a);
/* t has the sign of a; u is free. */
void keep_sign(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned u, unsigned a);
/* The host's immediates of ROUND* for enum fp_rounding up to FP_ZERO, and FP_CURRENT; with 8 Inexact is not raised. */
extern const uint8_t fp_host_rounding[7];

/* half.c: t = the singles that the halves in the low or high half of value v are; a scalar alone with zeros above. */
void halves_to_singles(struct lower *l, unsigned t, unsigned v, unsigned lanes, bool high);
void singles_to_halves(struct lower *l, unsigned t, unsigned a); /* by the current rounding mode */
/* t = the doubles there rounded to singles, to odd; u changes. */
void doubles_to_odd_singles(struct lower *l, unsigned t, unsigned u);
bool lower_half(struct lower *l, const struct ir_insn *insn);
bool lower_half_products(struct lower *l, const struct ir_insn *insn);
/* float_steps.c */
bool lower_reciprocal_step(struct lower *l, const struct ir_insn *insn);
bool lower_rsqrt_step(struct lower *l, const struct ir_insn *insn);
/* convert.c: reg *= 2^-power, of numbers of 1 << esz bytes, exact. */
void scale_down(struct lower *l, const struct ir_insn *insn, unsigned esz, unsigned reg, int power);
bool lower_conversion(struct lower *l, const struct ir_insn *insn);

#endif
