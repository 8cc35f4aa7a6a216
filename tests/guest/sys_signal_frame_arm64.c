// arm64-only
/* The signal frame: what it holds, that changes to it take effect, and that a damaged one kills. */
#include <asm/sigcontext.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "check.h"

static volatile int damage;
static volatile uint64_t at_handler[8];
static ucontext_t seen;
static struct fpsimd_context seen_fp;
static int saw_esr;
static volatile uint64_t esr_value;

static struct _aarch64_ctx *find(ucontext_t *uc, uint32_t magic)
{
    struct _aarch64_ctx *head = (void *)uc->uc_mcontext.__reserved;
    while (head->magic && head->magic != magic)
        head = (void *)((char *)head + head->size);
    return head->magic == magic ? head : NULL;
}

static void changing(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fpsimd_context *fp = (void *)find(uc, FPSIMD_MAGIC);
    struct esr_context *esr = (void *)find(uc, ESR_MAGIC);
    seen = *uc;
    seen_fp = *fp;
    saw_esr = esr != NULL;
    esr_value = esr ? esr->esr : 0;
    uc->uc_mcontext.regs[20] = 0xabcdef;
    uc->uc_mcontext.pstate = 0x60000000;
    fp->vregs[9] = (unsigned __int128)7 << 64 | 5;
    fp->fpsr = 1 << 27 | 1;
    fp->fpcr = 1 << 22;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    if (signo == SIGTRAP || signo == SIGSEGV || signo == SIGILL)
        uc->uc_mcontext.pc += 4;
}

static void install(int signo, int flags)
{
    struct sigaction action = {.sa_sigaction = changing, .sa_flags = SA_SIGINFO | flags};
    sigaction(signo, &action, NULL);
}

/* Traps with known registers and looks at them afterwards. */
static void trap(uint64_t *x20, uint64_t *nzcv, uint64_t v9[2], uint64_t *fpsr, uint64_t *fpcr)
{
    uint64_t a, b, c, d, e, f;
    asm volatile("mov x20, #0x1234\n"
                 "mov x21, #0x77\n"
                 "mov x9, #0x99\n"
                 "fmov d9, x9\n"
                 "mov x10, #0x80000000\n"
                 "msr nzcv, x10\n"
                 "msr fpsr, xzr\n"
                 "brk #0x321\n"
                 "mov %0, x20\n"
                 "mrs %1, nzcv\n"
                 "mov %2, v9.d[0]\n"
                 "mov %3, v9.d[1]\n"
                 "mrs %4, fpsr\n"
                 "mrs %5, fpcr\n"
                 "msr fpcr, xzr\n"
                 : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(e), "=&r"(f)
                 :
                 : "x9", "x10", "x20", "x21", "v9", "cc", "memory");
    *x20 = a, *nzcv = b, v9[0] = c, v9[1] = d, *fpsr = e, *fpcr = f;
}

static void handler_sees_and_changes_the_context(void)
{
    uint64_t x20, nzcv, v9[2], fpsr, fpcr;
    sigset_t now, none;
    install(SIGTRAP, 0);
    trap(&x20, &nzcv, v9, &fpsr, &fpcr);
    CHECK(seen.uc_mcontext.regs[20], 0x1234);
    CHECK(seen.uc_mcontext.regs[21], 0x77);
    CHECK(seen.uc_mcontext.pstate & 0xf0000000, 0x80000000);
    CHECK((uint64_t)seen_fp.vregs[9], 0x99);
    CHECK(seen_fp.head.size, 528);
    CHECK(x20, 0xabcdef);
    CHECK(nzcv, 0x60000000);
    CHECK(v9[0], 5);
    CHECK(v9[1], 7);
    CHECK(fpsr, 1 << 27 | 1);
    CHECK(fpcr, 1 << 22);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR2), 1);
    CHECK(sigismember(&now, SIGTRAP), 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK(saw_esr, 1);
    CHECK(esr_value >> 26, 0x3c); /* BRK from AArch64 */
    CHECK(esr_value & 0xffff, 0x321);
}

static void data_abort_has_syndrome_and_address(void)
{
    install(SIGSEGV, 0);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    register char *x3 asm("x3") = page + 40;
    asm volatile("str xzr, [%0]" : : "r"(x3) : "x20", "v9", "cc", "memory");
    CHECK(saw_esr, 1);
    CHECK(esr_value >> 26, 0x24);
    CHECK(esr_value >> 6 & 1, 1); /* WnR */
    CHECK(seen.uc_mcontext.fault_address, page + 40);
    asm volatile("ldr xzr, [%0]" : : "r"(x3 + 8192 * 4096ul * 64) : "x20", "v9", "cc", "memory");
    CHECK(esr_value >> 6 & 1, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    asm volatile("msr fpcr, xzr");
}

/* The handler's entry state, taken before the compiler's prologue. */
extern void entry_probe(int);
asm(".pushsection .text\n"
    ".globl entry_probe\n"
    "entry_probe:\n"
    "adrp x9, at_handler\n"
    "add x9, x9, :lo12:at_handler\n"
    "stp x0, x1, [x9]\n"
    "stp x2, x29, [x9, #16]\n"
    "mov x10, sp\n"
    "stp x30, x10, [x9, #32]\n"
    "ldp x11, x12, [x29]\n"
    "stp x11, x12, [x9, #48]\n"
    "ret\n"
    ".popsection\n");

static void entry_registers(void)
{
    struct sigaction action = {.sa_handler = entry_probe};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    uint64_t sp = at_handler[5];
    CHECK(at_handler[0], SIGUSR1);
    CHECK(at_handler[1], sp);       /* siginfo comes first in the frame, even without SA_SIGINFO */
    CHECK(at_handler[2], sp + 128); /* then the ucontext */
    CHECK(sp % 16, 0);
    CHECK(at_handler[3] >= sp + 4688, 1); /* the frame record lies above */
    CHECK(at_handler[3] % 16, 0);
    CHECK(at_handler[6] != 0, 1);
    uint32_t *code = (uint32_t *)at_handler[4]; /* mov x8, #139; svc #0 */
    CHECK(code[0], 0xd2801168);
    CHECK(code[1], 0xd4000001);
}

static void damaging(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fpsimd_context *fp = (void *)find(uc, FPSIMD_MAGIC);
    switch (damage) {
    case 0:
        fp->head.magic = 0;
        break;
    case 1:
        fp->head.size = 8;
        break;
    case 2:
        fp->head.size = 1 << 20;
        break;
    case 3:
        uc->uc_mcontext.pstate |= 5;
        break;
    case 4:
        uc->uc_mcontext.pstate |= 0x10;
        break;
    case 5:
        asm volatile("mov x8, #139\n mov sp, %0\n svc #0" : : "r"(64ul) : "x8");
        break;
    case 6:
        asm volatile("mov x8, #139\n add sp, sp, #8\n svc #0" : : : "x8");
        break;
    }
}

static void with_damage(void *arg)
{
    struct sigaction action = {.sa_sigaction = damaging, .sa_flags = SA_SIGINFO};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGSEGV, SIG_DFL);
    damage = *(int *)arg;
    raise(SIGUSR1);
}

int main(void)
{
    handler_sees_and_changes_the_context();
    data_abort_has_syndrome_and_address();
    entry_registers();
    for (int how = 0; how < 7; how++)
        CHECK(in_child(with_damage, &how), SIGSEGV);
    return check_end();
}
