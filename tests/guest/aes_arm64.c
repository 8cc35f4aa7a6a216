// arm64-only
/* AES-128 of FIPS 197, appendix C.1, there and back, with rounds as programs have them: AESE and AESMC in pairs. Halves of
 * such pairs stand alone, too. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 10, TIMES = 200 };
static const uint8_t plain[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
static const uint8_t expected[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                     0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
static uint8_t keys[ROUNDS + 1][16], inverse_keys[ROUNDS + 1][16];

/* The S-box of each byte: with all columns the same, shifting rows changes nothing. */
static uint32_t substitute(uint32_t word)
{
    uint32_t r;
    asm(".arch_extension crypto\n dup v0.4s, %w1\n movi v1.4s, #0\n aese v0.16b, v1.16b\n umov %w0, v0.s[0]\n"
        : "=r"(r)
        : "r"(word)
        : "v0", "v1");
    return r;
}

static void make_keys(void)
{
    uint32_t words[4 * (ROUNDS + 1)];
    uint8_t round = 1;
    for (int i = 0; i < 16; i++)
        ((uint8_t *)words)[i] = (uint8_t)i;
    for (int i = 4; i < 4 * (ROUNDS + 1); i++) {
        uint32_t t = words[i - 1];
        if (i % 4 == 0) {
            t = substitute(t >> 8 | t << 24) ^ round;
            round = (uint8_t)(round << 1 ^ (round & 0x80 ? 0x1b : 0));
        }
        words[i] = words[i - 4] ^ t;
    }
    memcpy(keys, words, sizeof keys);
    for (int i = 0; i <= ROUNDS; i++) {
        memcpy(inverse_keys[i], keys[ROUNDS - i], 16);
        if (i && i < ROUNDS)
            asm volatile("ldr q0, [%0]\n aesimc v0.16b, v0.16b\n str q0, [%0]\n" : : "r"(inverse_keys[i]) : "v0", "memory");
    }
}

#define ROUND(n, step, mix) "ldr q1, [%1, #" #n " * 16]\n " step " v0.16b, v1.16b\n " mix " v0.16b, v0.16b\n"
#define PAIRS(step, mix)                                                                                      \
    ROUND(0, step, mix) ROUND(1, step, mix) ROUND(2, step, mix) ROUND(3, step, mix) ROUND(4, step, mix)       \
        ROUND(5, step, mix) ROUND(6, step, mix) ROUND(7, step, mix) ROUND(8, step, mix)
#define CIPHER(block, keys, step, mix)                                                                        \
    asm volatile("ldr q0, [%0]\n" PAIRS(step, mix) "ldp q1, q2, [%1, #144]\n " step " v0.16b, v1.16b\n"        \
                 "eor v0.16b, v0.16b, v2.16b\n str q0, [%0]\n"                                                \
                 :                                                                                           \
                 : "r"(block), "r"(keys)                                                                     \
                 : "v0", "v1", "v2", "memory")

/* The same first round, by a pair whose halves go to different registers: both are looked at. */
static int halves_agree(void)
{
    uint8_t r[48];
    asm volatile("ldr q0, [%1]\n ldr q1, [%2]\n mov v2.16b, v0.16b\n"
                 "aese v0.16b, v1.16b\n aesmc v3.16b, v0.16b\n" /* kept */
                 "aese v2.16b, v1.16b\n aesmc v2.16b, v2.16b\n" /* not kept */
                 "aesmc v0.16b, v0.16b\n stp q0, q2, [%0]\n str q3, [%0, #32]\n"
                 :
                 : "r"(r), "r"(plain), "r"(keys)
                 : "v0", "v1", "v2", "v3", "memory");
    return !memcmp(r, r + 16, 16) && !memcmp(r, r + 32, 16);
}

int main(void)
{
    unsigned wrong = 0;
    make_keys();
    for (int i = 0; i < TIMES; i++) {
        uint8_t block[16];
        memcpy(block, plain, 16);
        CIPHER(block, keys, "aese", "aesmc");
        wrong += memcmp(block, expected, 16) != 0;
        CIPHER(block, inverse_keys, "aesd", "aesimc");
        wrong += memcmp(block, plain, 16) != 0;
        wrong += !halves_agree();
    }
    if (wrong)
        printf("%u are wrong\n", wrong);
    else
        puts("ok");
    return wrong != 0;
}
