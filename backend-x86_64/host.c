/* The host CPU, and which guest registers live in which of its registers. */
#include "host.h"

#include <xemu/host_cpu.h>
#include <xemu/jit.h>

#include <string.h>

#define PAIR(guest, host) {guest, host},
#define BY_GUEST(guest, host) [guest] = host,
const struct pin pins[PINS] = {EACH_PIN(PAIR)};
const uint8_t x_pin[32] = {EACH_PIN(BY_GUEST)};
const uint8_t temps[TEMPS] = {RAX, RCX, RDX};

struct host host = {.level = HOST_V2};
_Atomic bool backend_exact_underflow;

/* v8 to v15 are callee-saved, the last of them the least used: their places are the temporaries. With 16 registers
 * v0 to v7 and v16 to v19 are pinned. */
static void pin_vectors(void)
{
    bool many = host.level >= HOST_V4;
    unsigned next = 8;
    memset(host.v_pin, -1, sizeof host.v_pin);
    for (int r = 0; r < 8; r++)
        host.v_pin[r] = (int8_t)r;
    if (many)
        for (int r = 8; r < 32; r++)
            host.v_pin[r] = r >= 12 && r < 16 ? -1 : (int8_t)r;
    else
        for (int r = 16; r < 20; r++)
            host.v_pin[r] = (int8_t)next++;
    for (unsigned reg = 12; reg < 16; reg++)
        host.xmm_temp[host.xmm_temps++] = (uint8_t)reg;
}

static enum host_level best_level(void)
{
    bool v3 = HOST_CPU_HAS(AVX2) && HOST_CPU_HAS(BMI1) && HOST_CPU_HAS(BMI2) &&
              HOST_CPU_HAS(FMA) && HOST_CPU_HAS(F16C) && HOST_CPU_HAS(LZCNT);
    bool v4 = v3 && HOST_CPU_HAS(AVX512F) && HOST_CPU_HAS(AVX512VL) && HOST_CPU_HAS(AVX512BW) &&
              HOST_CPU_HAS(AVX512CD) && HOST_CPU_HAS(AVX512DQ);
    return v4 ? HOST_V4 : v3 ? HOST_V3 : HOST_V2;
}

/* AES and PCLMUL belong to no level. The machines of level 3 have them, some of level 2 have: with level 2 as the
 * limit neither is used. */
void host_init(enum host_level limit)
{
    enum host_level best = best_level();
    host = (struct host){.level = best < limit ? best : limit};
    bool extras = host.level > HOST_V2 || best == HOST_V2;
    host.lzcnt = host.bmi2 = host.level >= HOST_V3;
    host.aes = extras && HOST_CPU_HAS(AES);
    host.pclmul = extras && HOST_CPU_HAS(PCLMULQDQ);
    host.gfni = host.level >= HOST_V4 && HOST_CPU_HAS(GFNI);
    host.vnni = host.level >= HOST_V4 && HOST_CPU_HAS(AVX512_VNNI);
    host.bitalg = host.level >= HOST_V4 && HOST_CPU_HAS(AVX512_BITALG);
    host.sha = host.level >= HOST_V3 && HOST_CPU_HAS(SHA);
    pin_vectors();
}

/* --- constants ---------------------------------------------------------------------------------------- */

#define EACH_Q(x) {.d = {x, x}}
#define NO 0x80 /* PSHUFB: zero */
#define EACH_BYTE(f, ...)                                                                               \
    {.b = {f(0, __VA_ARGS__), f(1, __VA_ARGS__), f(2, __VA_ARGS__), f(3, __VA_ARGS__), f(4, __VA_ARGS__),  \
           f(5, __VA_ARGS__), f(6, __VA_ARGS__), f(7, __VA_ARGS__), f(8, __VA_ARGS__), f(9, __VA_ARGS__),  \
           f(10, __VA_ARGS__), f(11, __VA_ARGS__), f(12, __VA_ARGS__), f(13, __VA_ARGS__),                 \
           f(14, __VA_ARGS__), f(15, __VA_ARGS__)}}
#define NOT_THIRD(i, esz, part) ((i >> esz) % 3 == part ? 0 : 0xff)
#define TWO_THIRDS(esz) EACH_BYTE(NOT_THIRD, esz, 0), EACH_BYTE(NOT_THIRD, esz, 1), EACH_BYTE(NOT_THIRD, esz, 2)
#define STRIDE_BYTE(i, step, lanes) (step * i % lanes)
#define STRIDE_HALF(i, step, lanes) (step * (i / 2) % lanes * 2 + i % 2)
#define HALF_ZERO NO, NO, NO, NO, NO, NO, NO, NO

static const union vec host_constants[JIT_CONSTANTS] = {
    [JIT_LOW_1] = {.d = {0xff, 0}},
    [JIT_LOW_2] = {.d = {0xffff, 0}},
    [JIT_SIGN_B] = EACH_Q(0x8080808080808080),
    [JIT_SIGN_H] = EACH_Q(0x8000800080008000),
    [JIT_SIGN_S] = EACH_Q(0x8000000080000000),
    [JIT_SIGN_D] = EACH_Q(0x8000000000000000),
    [JIT_SIGN_ONE_S] = {.d = {0x80000000, 0}},
    [JIT_SIGN_ONE_D] = {.d = {0x8000000000000000, 0}},
    [JIT_SMALLEST_S] = EACH_Q(0x0100000001000000),
    [JIT_SMALLEST_D] = EACH_Q(0x0020000000000000),
    [JIT_EVEN_BYTES] = EACH_Q(0x00ff00ff00ff00ff),
    [JIT_NIBBLES] = EACH_Q(0x0f0f0f0f0f0f0f0f),
    [JIT_NIBBLE_BITS] = {.b = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4}},
    [JIT_LEADING_HIGH] = {.b = {8, 3, 2, 2, 1, 1, 1, 1}},
    [JIT_LEADING_LOW] = {.b = {8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4}},
    [JIT_MIRROR_BITS] = EACH_Q(0x8040201008040201),
    [JIT_SM4_BEFORE] = EACH_Q(0x4c287db91a22505d),
    [JIT_SM4_BEHIND] = EACH_Q(0xf3ab34a974a6b589),
    [JIT_OUT_OF_TABLE] = EACH_Q(0x7070707070707070),
    [JIT_PACK_B] = {.b = {0, 2, 4, 6, 8, 10, 12, 14, HALF_ZERO}},
    [JIT_PACK_H] = {.b = {0, 1, 4, 5, 8, 9, 12, 13, HALF_ZERO}},
    [JIT_PACK_S] = {.b = {0, 1, 2, 3, 8, 9, 10, 11, HALF_ZERO}},
    [JIT_EVEN_B] = {.b = {0, 2, 4, 6, 8, 10, 12, 14, HALF_ZERO}},
    [JIT_EVEN_H] = {.b = {0, 1, 4, 5, 8, 9, 12, 13, HALF_ZERO}},
    [JIT_ODD_B] = {.b = {1, 3, 5, 7, 9, 11, 13, 15, HALF_ZERO}},
    [JIT_ODD_H] = {.b = {2, 3, 6, 7, 10, 11, 14, 15, HALF_ZERO}},
    [JIT_REV16] = {.b = {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14}},
    [JIT_REV32] = {.b = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12}},
    [JIT_REV64] = {.b = {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8}},
    [JIT_REV32_H] = {.b = {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13}},
    [JIT_REV64_H] = {.b = {6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9}},
    [JIT_STICKY_BITS] = EACH_Q(0x1fffffff),
    [JIT_STRIDE_B] = EACH_BYTE(STRIDE_BYTE, 3, 16),
    [JIT_STRIDE_B8] = EACH_BYTE(STRIDE_BYTE, 3, 8),
    [JIT_STRIDE_H] = EACH_BYTE(STRIDE_HALF, 3, 8),
    [JIT_STRIDE_BACK_B] = EACH_BYTE(STRIDE_BYTE, 11, 16),
    [JIT_TWO_THIRDS_B] = TWO_THIRDS(0),
    [JIT_TWO_THIRDS_H] = TWO_THIRDS(1),
    [JIT_TWO_THIRDS_S] = TWO_THIRDS(2),
    [JIT_TWO_THIRDS_D] = TWO_THIRDS(3),
};

int backend_host_register(unsigned guest) { return pin_of(guest); }
unsigned backend_lent(unsigned n) { return loanable(n).guest; }
unsigned backend_best_level(void) { return best_level(); }
void backend_init(unsigned level) { host_init(level ? (enum host_level)level : HOST_V4); }

uint64_t backend_host_key(void)
{
    return (uint64_t)host.level | (uint64_t)host.lzcnt << 8 | (uint64_t)host.bmi2 << 9 | (uint64_t)host.aes << 10 |
           (uint64_t)host.pclmul << 11 | (uint64_t)host.gfni << 12 | (uint64_t)host.sha << 13 |
           (uint64_t)host.bitalg << 14 | (uint64_t)host.vnni << 15;
}

const union vec *backend_constants(void) { return host_constants; }
