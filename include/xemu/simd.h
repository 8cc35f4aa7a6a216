/* Whole-vector operations of Advanced SIMD that the expressions of ir_ops.def call. */
#ifndef XEMU_SIMD_H
#define XEMU_SIMD_H

#include <xemu/eval_support.h>
#include <xemu/fp.h>

/* `lanes` numbers of format `from`, from lane 0 of a, converted to format `to`. */
static inline union vec eval_fcvt(struct cpu *cpu, union vec a, unsigned to, unsigned lanes, unsigned from,
                                  enum fp_rounding rounding)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, to, i, fp_convert(cpu, to, from, eval_lane(a, from, i), rounding));
    return r;
}

#endif
