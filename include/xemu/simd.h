/* Whole-vector operations of Advanced SIMD that the expressions of ir_ops.def call. */
#ifndef XEMU_SIMD_H
#define XEMU_SIMD_H

#include <xemu/eval_support.h>
#include <xemu/fp.h>

/* `lanes` numbers of format `from`, from lane 0 of a, converted to format `to`. */
static inline union vec simd_fcvt(struct cpu *cpu, union vec a, unsigned to, unsigned lanes, unsigned from,
                                  enum fp_rounding rounding)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, to, i, fp_convert(cpu, to, from, eval_lane(a, from, i), rounding));
    return r;
}

/* ZIP: elements of the low (part 0) or high halves of a and b, in turn. */
static inline union vec simd_zip(union vec a, union vec b, unsigned esz, unsigned lanes, unsigned part)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(i & 1 ? b : a, esz, part * lanes / 2 + i / 2));
    return r;
}

/* UZP: the even (part 0) or odd elements of a and then of b. */
static inline union vec simd_uzp(union vec a, union vec b, unsigned esz, unsigned lanes, unsigned part)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, eval_lane(2 * i < lanes ? a : b, esz, (2 * i + part) % lanes));
    return r;
}

/* The element at position i of the concatenation of a, b and c. */
static inline uint64_t simd_of3(const union vec v[3], unsigned esz, unsigned lanes, unsigned i)
{
    return eval_lane(v[i / lanes], esz, i % lanes);
}

static inline union vec simd_gather3(union vec a, union vec b, union vec c, unsigned esz, unsigned lanes, unsigned reg)
{
    const union vec v[3] = {a, b, c};
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, simd_of3(v, esz, lanes, 3 * i + reg));
    return r;
}

static inline union vec simd_scatter3(union vec a, union vec b, union vec c, unsigned esz, unsigned lanes,
                                      unsigned part)
{
    const union vec v[3] = {a, b, c};
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++) {
        unsigned position = part * lanes + i;
        r = eval_lane_set(r, esz, i, eval_lane(v[position % 3], esz, position / 3));
    }
    return r;
}

#endif
