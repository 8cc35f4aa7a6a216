// arm64-only
/* In the middle of a block that is compiled an access faults: the handler sees every register and flag as the
 * instructions before left them, and what it changes is what the instructions behind find. */
#include "check.h"

#include <asm/sigcontext.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

static uint64_t want_nzcv, faults, page;

static struct fpsimd_context *vectors_of(ucontext_t *uc)
{
    struct _aarch64_ctx *head = (void *)uc->uc_mcontext.__reserved;
    while (head->magic != FPSIMD_MAGIC && head->size)
        head = (void *)((char *)head + head->size);
    return (void *)head;
}

static void handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fpsimd_context *v = vectors_of(uc);
    faults++;
    CHECK(info->si_addr, page + 8);
    CHECK(v->head.magic, FPSIMD_MAGIC);
    for (uint64_t r = 0; r < 28; r++)
        CHECK(uc->uc_mcontext.regs[r], r == 20 ? page : 0x1000 + 3 * r);
    CHECK(uc->uc_mcontext.regs[30], 0x1000 + 3 * 30);
    CHECK(uc->uc_mcontext.pstate >> 28, want_nzcv);
    for (uint64_t r = 0; r < 32; r++) {
        CHECK(v->vregs[r], 0x1000 + 3 * (r % 28 == 20 ? 21 : r % 28));
        CHECK(v->vregs[r] >> 64, 0);
    }
    uc->uc_mcontext.regs[3] = 0x333;
    v->vregs[9] = 0x999;
    uc->uc_mcontext.pstate ^= 0xf0000000;
    uc->uc_mcontext.pc += 4;
}

/* clang-format off */
#define EACH(f) f(0) f(1) EACH_ABOVE_1(f)
#define EACH_ABOVE_1(f) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) \
    f(18) f(19) f(21) f(22) f(23) f(24) f(25) f(26) f(27)
#define SET_X(r) "mov x" #r ", 0x1000 + 3 * " #r "\n\t"
#define SET_V(r) "fmov d" #r ", x" #r "\n\t"
#define CLEAR(r) "mov x" #r ", 0\n\t"
#define X_NAME(r) "x" #r,
#define V_NAME(r) "v" #r,
/* clang-format on */

#define FAULTING(name, compare, access)                                                                       \
    static void name(uint64_t out[3])                                                                          \
    {                                                                                                          \
        register uint64_t *to asm("x0") = out;                                                                 \
        register uint64_t at asm("x1") = page;                                                                 \
        asm volatile("stp x29, x30, [sp, -32]!\n\tstr x0, [sp, 16]\n\tmov x20, x1\n\t" EACH(SET_X)              \
                     "mov x30, 0x1000 + 3 * 30\n\t" EACH(SET_V) "fmov d20, x21\n\t"                             \
                     "fmov d28, x0\n\tfmov d29, x1\n\tfmov d30, x2\n\tfmov d31, x3\n\t" compare "\n\t"          \
                     access "\n\t"                                                                             \
                     "mrs x5, nzcv\n\tldr x6, [sp, 16]\n\tstr x3, [x6]\n\tstr d9, [x6, 8]\n\tstr x5, [x6, 16]\n\t" \
                     EACH(CLEAR) "movi v0.2d, 0\n\tmovi v9.2d, 0\n\tldp x29, x30, [sp], 32"                    \
                     : "+r"(to), "+r"(at) :                                                                    \
                     : "memory", "cc", "x20", "x28", EACH_ABOVE_1(X_NAME) EACH(V_NAME) "v20", "v28", "v29", "v30", "v31");    \
    }
FAULTING(load_after_less, "cmp x1, x2", "ldr x3, [x20, 8]")
FAULTING(store_after_equal, "cmp x1, x1", "str x3, [x20, 8]")
FAULTING(load_of_vector_after_greater, "cmp w2, w1", "ldr q9, [x20, 8]")
FAULTING(pair_after_overflow, "mov x28, 0x7fffffffffffffff\n\tcmn x28, 1\n\tmov x28, 0", "stp x1, x2, [x20, 8]")
FAULTING(writeback_after_unordered, "mov x28, 0x7ff8000000000000\n\tfmov d28, x28\n\tfcmp d28, d28\n\tfmov d28, x0",
         "str x3, [x20, 8]!")

int main(void)
{
    static const struct {
        void (*run)(uint64_t *);
        uint64_t nzcv;
    } cases[] = {{load_after_less, 8}, {store_after_equal, 6}, {load_of_vector_after_greater, 2},
                 {pair_after_overflow, 9}, {writeback_after_unordered, 3}};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    page = (uint64_t)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    for (int loop = 0; loop < 300; loop++)
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            uint64_t out[3] = {0};
            want_nzcv = cases[i].nzcv;
            cases[i].run(out);
            CHECK(out[0], 0x333);
            CHECK(out[1], 0x999);
            CHECK(out[2] >> 28, ~want_nzcv & 15);
        }
    CHECK(faults, 300 * sizeof cases / sizeof *cases);
    return check_end();
}
