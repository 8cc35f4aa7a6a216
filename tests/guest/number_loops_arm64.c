// arm64-only
/* Loops of one block that compute with numbers: the parts of vector registers that scalars leave zero and those that
 * are not, invalid operations and changes of FPCR in later rounds, code that changes while it runs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "check.h"

enum { ROUNDS = 20, FPSIMD = 0x46508001, DN = 1 << 25 };

typedef uint64_t pair __attribute__((vector_size(16)));

static const pair filled = {0x3ff0000000000000, 0x1234567890abcdef}; /* 1.0 below */
static pair other;

/* A loop of ROUNDS rounds: d0 and d1 are 1.0, with something above; what it leaves in v0 and v2. */
#define LOOP(name, text)                                                                                        \
    static __attribute__((noinline, noclone)) pair name(void)                                                   \
    {                                                                                                           \
        pair result, sum;                                                                                       \
        uint64_t rounds = ROUNDS;                                                                               \
        asm volatile("ldr q0, %3\n\tldr q1, %3\n\tmovi v2.2d, #0\n\tmovi v5.2d, #0\n1:\n\t" text                \
                     "\n\tsubs %2, %2, 1\n\tb.ne 1b\n\tstr q0, %0\n\tstr q2, %1"                               \
                     : "=m"(result), "=m"(sum), "+r"(rounds)                                                   \
                     : "m"(filled)                                                                              \
                     : "v0", "v1", "v2", "v4", "v5", "cc");                                                    \
        other = sum;                                                                                            \
        return result;                                                                                          \
    }
LOOP(sum, "fadd d0, d0, d1")
LOOP(sum_of_what_is_above, "add v2.2d, v2.2d, v0.2d\n\tfadd d0, d0, d1")
LOOP(refill, "add v2.2d, v2.2d, v0.2d\n\tfadd d0, d0, d1\n\tmov v0.d[1], v1.d[1]")
LOOP(refill_before, "mov v0.d[1], v1.d[1]\n\tadd v2.2d, v2.2d, v0.2d\n\tfadd d0, d0, d1")
LOOP(refill_once, "fadd d4, d0, d1\n\tadd v2.2d, v2.2d, v0.2d\n\tmov v0.16b, v5.16b\n\tmov v5.16b, v4.16b")
LOOP(singles, "fadd s0, s0, s1\n\tadd v2.2d, v2.2d, v0.2d")
LOOP(single_then_double, "fcvt s4, d0\n\tfadd s4, s4, s4\n\tfcvt d0, s4\n\tfneg d0, d0\n\tadd v2.2d, v2.2d, v4.2d")
LOOP(signs, "fneg d0, d0\n\tfabs d4, d0\n\tfsqrt d4, d4\n\tadd v2.2d, v2.2d, v4.2d")
LOOP(fused, "fmadd d0, d1, d1, d0\n\tadd v2.2d, v2.2d, v0.2d")
LOOP(vectors, "fadd v0.2d, v0.2d, v0.2d\n\tfadd d2, d2, d1")
LOOP(pairs, "fadd v0.2s, v0.2s, v0.2s\n\tadd v2.2d, v2.2d, v0.2d")

static uint64_t bits(double number)
{
    uint64_t value;
    memcpy(&value, &number, sizeof value);
    return value;
}

static void check_registers(void)
{
    CHECK(sum()[0], bits(ROUNDS + 1));
    CHECK(sum()[1], 0);
    CHECK(sum_of_what_is_above()[1], 0);
    CHECK(other[1], filled[1]);
    CHECK(refill()[1], filled[1]);
    CHECK(other[1], ROUNDS * filled[1]);
    refill_before();
    CHECK(other[1], ROUNDS * filled[1]);
    refill_once();
    CHECK(other[1], filled[1]);
    CHECK(singles()[1], 0);
    CHECK(other[1], 0);
    CHECK(single_then_double()[0], bits(1 << ROUNDS));
    CHECK(other[1], 0);
    CHECK(signs()[1], 0);
    CHECK(other[0], ROUNDS * bits(1));
    CHECK(other[1], 0);
    CHECK(fused()[0], bits(ROUNDS + 1));
    CHECK(other[1], 0);
    CHECK(vectors()[0], bits(1 << ROUNDS));
    CHECK(other[0], bits(ROUNDS));
    CHECK(other[1], 0);
    CHECK(pairs()[1], 0);
    CHECK(other[1], 0);
}

/* Infinity minus infinity in the tenth round. */
static void check_invalid(void)
{
    double numbers[ROUNDS], results[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        numbers[i] = i == 9 ? __builtin_inf() : i;
    double *from = numbers, *to = results, *end = numbers + ROUNDS;
    uint64_t fpsr;
    asm volatile("msr fpsr, xzr\n1:\n\tldr d0, [%0], 8\n\tfsub d0, d0, d0\n\tstr q0, [sp, -16]!\n\tldr d1, [sp, 8]\n\t"
                 "add sp, sp, 16\n\tfadd d0, d0, d1\n\tstr d0, [%1], 8\n\tcmp %0, %3\n\tb.ne 1b\n\tmrs %2, fpsr"
                 : "+&r"(from), "+&r"(to), "=r"(fpsr)
                 : "r"(end)
                 : "v0", "v1", "cc", "memory");
    CHECK(fpsr, 1);
    for (int i = 0; i < ROUNDS; i++)
        CHECK(bits(results[i]), i == 9 ? 0x7ff8000000000000 : 0);
}

/* --- a handler asks for default NaNs ------------------------------------------------------------------- */

static volatile int changed;

static void change_fpcr(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info;
    struct _aarch64_ctx *head = (void *)((ucontext_t *)context)->uc_mcontext.__reserved;
    while (head->magic != FPSIMD)
        head = (void *)((char *)head + head->size);
    ((struct fpsimd_context *)head)->fpcr |= DN;
    changed = 1;
}

static void check_fpcr(void)
{
    struct sigaction action = {.sa_sigaction = change_fpcr, .sa_flags = SA_SIGINFO};
    uint64_t payload = 0x7ff8000000000123, first, last;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL);
    asm volatile("fmov d0, %2\n\tfmov d1, #1.0\n\tfadd d3, d0, d1\n1:\n\tfadd d2, d0, d1\n\tldr w9, %3\n\tcbz w9, 1b\n\t"
                 "fmov %0, d3\n\tfadd d2, d0, d1\n\tfmov %1, d2\n\tmsr fpcr, xzr"
                 : "=&r"(first), "=&r"(last)
                 : "r"(payload), "m"(changed)
                 : "v0", "v1", "v2", "v3", "x9", "memory");
    CHECK(first, payload);
    CHECK(last, 0x7ff8000000000000);
    /* The round that saw the change began after it. */
    changed = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL);
    asm volatile("fmov d0, %1\n\tfmov d1, #1.0\n1:\n\tldr w9, %2\n\tfadd d2, d0, d1\n\tcbz w9, 1b\n\tfmov %0, d2\n\t"
                 "msr fpcr, xzr"
                 : "=&r"(last)
                 : "r"(payload), "m"(changed)
                 : "v0", "v1", "v2", "x9", "memory");
    CHECK(last, 0x7ff8000000000000);
}

/* --- another thread ends the loop by changing its code --------------------------------------------------- */

static volatile int running;

static void *run(void *code)
{
    ((void (*)(volatile int *))code)(&running);
    return NULL;
}

static void check_code_that_changes(void)
{
    static const uint32_t loop[] = {
        0x52800022, /*    mov w2, #1 */
        0x1e6e1000, /*    fmov d0, #1.0 */
        0x1e602800, /* 1: fadd d0, d0, d0 */
        0xb9000002, /*    str w2, [x0] */
        0x17fffffe, /*    b 1b; becomes ret */
    };
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_t thread;
        memcpy(code, loop, sizeof loop);
        __builtin___clear_cache((char *)code, (char *)(code + 5));
        running = 0;
        pthread_create(&thread, NULL, run, code);
        while (!running)
            ;
        usleep(1000);
        code[4] = 0xd65f03c0; /* ret */
        __builtin___clear_cache((char *)code, (char *)(code + 5));
        pthread_join(thread, NULL);
        munmap(code, 4096);
    }
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        check_registers();
        check_invalid();
    }
    check_fpcr();
    check_code_that_changes();
    return check_end();
}
