/* Which instruction words are undefined, by two emulators that execute them (tests/vectors/sweep.c):
 *
 *   sweep LOWS PART/PARTS -- COMMAND... -- COMMAND...
 *
 * LOWS of the 1024 patterns of the low 10 bits are tried for each of the high 22 bits' 2^22. Differences that
 * tests/vectors/sweep.def explains are counted, others are shown. */
#include <xemu/insn.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 19, SHOWN = 2 };

/* As tests/vectors/sweep.c has it. */
static uint32_t word_of(uint64_t number, uint32_t lows)
{
    uint32_t high = (uint32_t)(number / lows), low = (uint32_t)(number % lows);
    if (lows < 1024)
        low = low == 0 ? 0x3ff : (low * 0x2e5 + high * 0x9d + (high >> 10) * 0x1b5) & 0x3ff;
    return high << 10 | low;
}

#include "pattern.inc"

#define ONLY_FIRST(pattern, condition, why) +1
#define ONLY_SECOND(pattern, condition, why) +1
#define FIRST_LACKS(feature, why) +1
#define SECOND_LACKS(feature, why) +1
enum { REASONS = 0
#include "../tests/vectors/sweep.def"
};
#undef ONLY_FIRST
#undef ONLY_SECOND
#undef FIRST_LACKS
#undef SECOND_LACKS

static const char *whys[REASONS + 1];
static uint64_t explained[REASONS + 1];

static const char *feature_of(uint32_t word)
{
    static const char *const features[A64_OP_COUNT] = {
#define A64_ROW(NAME, MEANING, FEATURE, TODO) [A64_##NAME] = #FEATURE,
#include "a64_rows.inc"
    };
    struct a64_insn in;
    a64_decode(word, 0, &in);
    return features[in.op] ? features[in.op] : "";
}

/* Counts the first reason that is true of the word; only_first: it is no instruction for the second emulator. */
static bool explain(uint32_t word, bool only_first)
{
    uint32_t rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31, rs = word >> 16 & 31;
    int n = -1;
    (void)rt, (void)rn, (void)rt2, (void)rs;
#define ROW(of_first, condition, why)                                       \
    n++;                                                                    \
    if (only_first == of_first && (condition)) {                            \
        whys[n] = why;                                                      \
        explained[n]++;                                                     \
        return true;                                                        \
    }
#define ONLY_FIRST(pattern, condition, why) ROW(true, matches(pattern, word) && (condition), why)
#define ONLY_SECOND(pattern, condition, why) ROW(false, matches(pattern, word) && (condition), why)
#define FIRST_LACKS(feature, why) ROW(false, !strcmp(feature, feature_of(word)), why)
#define SECOND_LACKS(feature, why) ROW(true, !strcmp(feature, feature_of(word)), why)
#include "../tests/vectors/sweep.def"
    return false;
}

/* Runs the command with the arguments that tests/vectors/sweep.c wants. */
static FILE *start(char **command, uint64_t first, uint64_t count, uint32_t lows)
{
    char line[4096] = "exec";
    size_t at = 4;
    for (; *command; command++)
        at += (size_t)snprintf(line + at, sizeof line - at, " '%s'", *command);
    snprintf(line + at, sizeof line - at, " %lu %lu %u", first, count, lows);
    FILE *f = popen(line, "r");
    if (!f) {
        perror("sweep");
        exit(2);
    }
    return f;
}

static void run(char **command, uint64_t first, uint64_t count, uint32_t lows, uint8_t *undefined)
{
    FILE *f = start(command, first, count, lows);
    size_t bytes = (size_t)count / 8, got = fread(undefined, 1, bytes, f);
    int status = pclose(f);
    if (got != bytes || status) {
        fprintf(stderr, "sweep: %s ended with status %d in words %08x to %08x\n", command[0], status, word_of(first, lows),
                word_of(first + count - 1, lows));
        exit(2);
    }
}

static char **command_at(int argc, char **argv, int i)
{
    for (; i < argc; i++)
        if (!strcmp(argv[i], "--")) {
            argv[i] = NULL;
            return argv + i + 1;
        }
    fprintf(stderr, "usage: sweep LOWS PART/PARTS -- COMMAND... -- COMMAND...\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static uint8_t a[CHUNK / 8], b[CHUNK / 8];
    static unsigned shown[1 << 11]; /* by the high bits */
    char **first = command_at(argc, argv, 3), **second = command_at(argc, argv, (int)(first - argv));
    uint32_t lows = (uint32_t)strtoul(argv[1], NULL, 0);
    unsigned part = 0, parts = 1;
    sscanf(argv[2], "%u/%u", &part, &parts);
    uint64_t total = (uint64_t)lows << 22, done = 0, only[2] = {0}, defined = 0, unexplained = 0;

    for (uint64_t at = 0; at < total; at += CHUNK) {
        if (at / CHUNK % parts != part)
            continue;
        uint64_t count = total - at < CHUNK ? total - at : CHUNK;
        run(first, at, count, lows, a);
        run(second, at, count, lows, b);
        for (uint64_t i = 0; i < count; i++) {
            bool in_first = !(a[i / 8] >> i % 8 & 1), in_second = !(b[i / 8] >> i % 8 & 1);
            defined += in_first && in_second;
            if (in_first == in_second)
                continue;
            only[in_second]++;
            uint32_t word = word_of(at + i, lows);
            if (explain(word, in_first))
                continue;
            unexplained++;
            if (shown[word >> 21]++ < SHOWN)
                printf("%08x is an instruction for %s alone\n", word, in_first ? first[0] : second[0]);
        }
        done += count;
        fflush(stdout);
    }
    for (int i = 0; i < REASONS; i++)
        printf("%10lu  %s\n", explained[i], explained[i] ? whys[i] : "(a reason that no word needed)");
    printf("%lu words, %lu instructions for both, %lu for the first alone, %lu for the second alone, %lu not explained\n", done,
           defined, only[0], only[1], unexplained);
    return unexplained != 0;
}
