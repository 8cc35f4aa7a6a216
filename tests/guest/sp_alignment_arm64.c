// arm64-only
/* Accesses by a stack pointer that is no multiple of 16 raise SIGBUS, however it became so, and nothing else does. */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"
#include "refused.h"

enum { ROUNDS = 24, NOP = 0xd503201f };

static volatile uint64_t at_sp;

/* The caller's SP is in x9. */
static void refused(int number, siginfo_t *info, void *context)
{
    mcontext_t *registers = note_refusal(number, info, context);
    at_sp = registers->sp;
    registers->sp = registers->regs[9];
}

/* --- ways to move SP, from an aligned one 256 bytes below x9; x10 is 8, x11 SP - 8, x12 SP - 32 ----------------- */

static const struct way {
    const char *name;
    uint32_t words[3];
    int aligned; /* SP is then */
} ways[] = {
    {"sub sp, sp, #8", {0xd10023ff, NOP, NOP}, 0},
    {"sub sp, sp, #1", {0xd10007ff, NOP, NOP}, 0},
    {"sub sp, sp, #64", {0xd10103ff, NOP, NOP}, 1},
    {"twice sub sp, sp, #8", {0xd10023ff, NOP, 0xd10023ff}, 1},
    {"sub sp, sp, #24; add sp, sp, #16", {0xd10063ff, 0x910043ff, NOP}, 0},
    {"mov sp, x11", {0x9100017f, NOP, NOP}, 0},
    {"mov sp, x12", {0x9100019f, NOP, NOP}, 1},
    {"sub sp, sp, x10", {0xcb2a63ff, NOP, NOP}, 0},
    {"sub sp, sp, x10, lsl #2", {0xcb2a6bff, NOP, NOP}, 1},
    {"orr sp, x12, #8", {0xb27d019f, NOP, NOP}, 0},
    {"and sp, x11, #-16", {0x927ced7f, NOP, NOP}, 1},
    {"and sp, x11, #-8", {0x927df17f, NOP, NOP}, 0},
    {"str x10, [sp, #-8]!", {0xf81f8fea, NOP, NOP}, 0},
    {"str x10, [sp, #-16]!", {0xf81f0fea, NOP, NOP}, 1},
    {"ldr x13, [sp], #-24", {0xf85e87ed, NOP, NOP}, 0},
    {"stp x10, x10, [sp, #-40]!", {0xa9bdabea, NOP, NOP}, 0},
    {"mov sp, x11; mov sp, x12", {0x9100017f, NOP, 0x9100019f}, 1},
};

/* --- what is done with it then ---------------------------------------------------------------------------------- */

static const struct use {
    const char *name;
    uint32_t word;
    int is_access;
} uses[] = {
    {"ldr x13, [sp]", 0xf94003ed, 1},      {"str wzr, [sp, #8]", 0xb9000bff, 1},   {"ldrb w13, [sp, x10]", 0x386a6bed, 1},
    {"ldp x13, x14, [sp]", 0xa9403bed, 1}, {"str q0, [sp]", 0x3d8003e0, 1},        {"ldr d0, [sp], #16", 0xfc4107e0, 1},
    {"ld1 {v0.16b}, [sp]", 0x4c4073e0, 1}, {"ldxr x13, [sp]", 0xc85f7fed, 1},      {"ldur x13, [sp, #8]", 0xf84083ed, 1},
    {"prfm pldl1keep, [sp]", 0xf98003e0, 0}, {"ldr x13, .", 0x5800000d, 0},        {"ldr x13, [x9]", 0xf940012d, 0},
    {"add x13, sp, #3", 0x91000fed, 0},    {"prfm pldl1keep, [sp, x10]", 0xf8aa6be0, 0}, {"mov x13, sp", 0x910003ed, 0},
};

static void check_one(uint32_t *words, const struct way *way, const struct use *use)
{
    /* mov x9, sp; sub sp, sp, #256; mov x10, #8; sub x11, sp, #8; sub x12, sp, #32; the way; the use; mov sp, x9;
     * mov x0, #2; ret */
    const uint32_t program[] = {0x910003e9,    0xd10403ff,    0xd280010a,    0xd10023eb, 0xd10083ec, way->words[0],
                                way->words[1], way->words[2], use->word, 0x9100013f, 0xd2800040, 0xd65f03c0};
    memcpy(words, program, sizeof program);
    __builtin___clear_cache((char *)words, (char *)words + sizeof program);
    int faults = use->is_access && !way->aligned;
    for (int round = 0; round < ROUNDS; round++) {
        signo = 0;
        long got = ((long (*)(void))words)();
        if (got != (faults ? 1 : 2) || signo != (faults ? SIGBUS : 0)) {
            if (check_failures++ < 10)
                printf("%s; %s: %ld, signal %d\n", way->name, use->name, got, signo);
            return;
        }
        if (!faults)
            continue;
        CHECK(code, BUS_ADRALN);
        CHECK(at_pc, words + 8);
        CHECK(address, at_sp);
        CHECK(at_sp % 16 != 0, 1);
    }
}

/* --- by a signal's frame ---------------------------------------------------------------------------------------- */

static void unaligning(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)number, (void)info;
    uc->uc_mcontext.regs[9] = uc->uc_mcontext.sp;
    uc->uc_mcontext.sp -= 8;
    uc->uc_mcontext.pc += 4;
}

static void check_sigreturn(uint32_t *words)
{
    /* brk #0; ldr x13, [sp]; ret */
    memcpy(words, (uint32_t[]){0xd4200000, 0xf94003ed, 0xd65f03c0}, 12);
    __builtin___clear_cache((char *)words, (char *)words + 12);
    for (int round = 0; round < ROUNDS; round++) {
        signo = 0;
        CHECK(((long (*)(void))words)(), 1);
        CHECK(signo, SIGBUS);
        CHECK(at_pc, words + 1);
    }
}

int main(void)
{
    enum { WORDS = 16, PLACES = sizeof ways / sizeof *ways * sizeof uses / sizeof *uses + 1 };
    uint32_t *words = mmap(NULL, PLACES * WORDS * 4, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    install(SIGBUS, refused);
    install(SIGTRAP, unaligning);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        for (size_t use = 0; use < sizeof uses / sizeof *uses; use++, words += WORDS)
            check_one(words, &ways[way], &uses[use]);
    check_sigreturn(words);
    return check_end();
}
