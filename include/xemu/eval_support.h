/* The functions that the expressions of ir_ops.def call. */
#ifndef XEMU_EVAL_SUPPORT_H
#define XEMU_EVAL_SUPPORT_H

#include <xemu/cpu.h>

/* The n lowest bits set, n from 1 to 64. */
static inline uint64_t eval_ones(int64_t n) { return ~0ull >> (64 - n); }

static inline uint64_t eval_rbit64(uint64_t a)
{
    a = (a >> 1 & 0x5555555555555555) | (a & 0x5555555555555555) << 1;
    a = (a >> 2 & 0x3333333333333333) | (a & 0x3333333333333333) << 2;
    a = (a >> 4 & 0x0f0f0f0f0f0f0f0f) | (a & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(a);
}

/* NZCV of a + b + carry at 32 or 64 bits ([AddWithCarry]); a and b have no bits above the width. */
static inline uint32_t eval_nzcv_add(uint64_t a, uint64_t b, uint64_t carry, unsigned bits)
{
    unsigned top = bits - 1;
    uint64_t sum = a + b + carry;
    uint64_t carry_out = ((a & b) | ((a | b) & ~sum)) >> top & 1;
    uint64_t overflow = ((a ^ sum) & (b ^ sum)) >> top & 1;
    uint64_t zero = bits == 32 ? (uint32_t)sum == 0 : sum == 0;
    return (uint32_t)((sum >> top & 1) << 31 | zero << 30 | carry_out << 29 | overflow << 28);
}

/* [ConditionHolds]: cond as encoded; AL and NV are always true. */
static inline uint32_t eval_condition(uint32_t nzcv, unsigned cond)
{
    uint32_t n = nzcv >> 31, z = nzcv >> 30 & 1, c = nzcv >> 29 & 1, v = nzcv >> 28 & 1, holds;
    switch (cond >> 1) {
    case 0:
        holds = z;
        break;
    case 1:
        holds = c;
        break;
    case 2:
        holds = n;
        break;
    case 3:
        holds = v;
        break;
    case 4:
        holds = c & ~z;
        break;
    case 5:
        holds = n == v;
        break;
    case 6:
        holds = (n == v) & ~z;
        break;
    default:
        return 1;
    }
    return (holds ^ cond) & 1;
}

static inline uint32_t eval_crc32(uint32_t crc, uint64_t data, unsigned bytes, uint32_t polynomial)
{
    for (unsigned i = 0; i < bytes; i++, data >>= 8) {
        crc ^= (uint8_t)data;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (polynomial & -(crc & 1));
    }
    return crc;
}

static inline uint64_t eval_lane(union vec a, unsigned esz, unsigned index)
{
    switch (esz) {
    case 0:
        return a.b[index];
    case 1:
        return a.h[index];
    case 2:
        return a.s[index];
    default:
        return a.d[index];
    }
}

static inline union vec eval_lane_set(union vec a, unsigned esz, unsigned index, uint64_t value)
{
    switch (esz) {
    case 0:
        a.b[index] = (uint8_t)value;
        break;
    case 1:
        a.h[index] = (uint16_t)value;
        break;
    case 2:
        a.s[index] = (uint32_t)value;
        break;
    default:
        a.d[index] = value;
        break;
    }
    return a;
}

static inline union vec eval_dup(uint64_t value, unsigned esz, unsigned lanes)
{
    union vec r = {0};
    for (unsigned i = 0; i < lanes; i++)
        r = eval_lane_set(r, esz, i, value);
    return r;
}

#endif
