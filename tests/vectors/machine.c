/* An ARM64 program that runs single instructions: reads requests (machine.h) from standard input, runs each in the
 * state that it gives, and writes what came out. Without a C library, so that nothing else uses registers or
 * memory. Runs under any emulator and on real hardware. */
#include "machine.h"
#include "system_call.h"

#include <asm/unistd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

/* At the offsets of struct machine_state. */
_Static_assert(offsetof(struct machine_state, sp) == 248, "run's offsets");
_Static_assert(offsetof(struct machine_state, v) == 256, "run's offsets");
_Static_assert(offsetof(struct machine_state, nzcv) == 768, "run's offsets");

/* Pairs of registers and their offsets. */
#define PAIR(op, r, n, m, at) "    " op " " r #n ", " r #m ", [x30, " #at "]\n"
#define X_PAIRS(op) \
    PAIR(op, "x", 0, 1, 0) PAIR(op, "x", 2, 3, 16) PAIR(op, "x", 4, 5, 32) \
    PAIR(op, "x", 6, 7, 48) PAIR(op, "x", 8, 9, 64) PAIR(op, "x", 10, 11, 80) \
    PAIR(op, "x", 12, 13, 96) PAIR(op, "x", 14, 15, 112) PAIR(op, "x", 16, 17, 128) \
    PAIR(op, "x", 18, 19, 144) PAIR(op, "x", 20, 21, 160) PAIR(op, "x", 22, 23, 176) \
    PAIR(op, "x", 24, 25, 192) PAIR(op, "x", 26, 27, 208) PAIR(op, "x", 28, 29, 224)
#define V_PAIRS(op) \
    PAIR(op, "q", 0, 1, 256) PAIR(op, "q", 2, 3, 288) PAIR(op, "q", 4, 5, 320) \
    PAIR(op, "q", 6, 7, 352) PAIR(op, "q", 8, 9, 384) PAIR(op, "q", 10, 11, 416) \
    PAIR(op, "q", 12, 13, 448) PAIR(op, "q", 14, 15, 480) PAIR(op, "q", 16, 17, 512) \
    PAIR(op, "q", 18, 19, 544) PAIR(op, "q", 20, 21, 576) PAIR(op, "q", 22, 23, 608) \
    PAIR(op, "q", 24, 25, 640) PAIR(op, "q", 26, 27, 672) PAIR(op, "q", 28, 29, 704) \
    PAIR(op, "q", 30, 31, 736)

struct machine_state after __attribute__((aligned(16)));
uint64_t machine_sp;

/* run(before) enters the instructions with all registers loaded; these end with a branch to `done`, which saves all
 * registers in `after`. TPIDR_EL0 holds x30 for a moment. The linker is told where `code` is (vectors.mk). */
void run(const struct machine_state *before);
void done(void);
__asm__(".text\n"
        ".global _start, run, done\n"
        "_start: mov x29, 0\n"
        "    bl machine\n"
        "run:\n"
        "    stp x19, x20, [sp, -96]!\n"
        "    stp x21, x22, [sp, 16]\n"
        "    stp x23, x24, [sp, 32]\n"
        "    stp x25, x26, [sp, 48]\n"
        "    stp x27, x28, [sp, 64]\n"
        "    stp x29, x30, [sp, 80]\n"
        "    mov x1, sp\n"
        "    adrp x2, machine_sp\n"
        "    str x1, [x2, :lo12:machine_sp]\n"
        "    mov x30, x0\n"
        "    ldr w0, [x30, 768]\n"
        "    ldr w1, [x30, 772]\n"
        "    ldr w2, [x30, 776]\n"
        "    msr nzcv, x0\n"
        "    msr fpcr, x1\n"
        "    msr fpsr, x2\n"
        "    msr tpidr_el0, xzr\n"
        "    clrex\n"
        V_PAIRS("ldp")
        "    ldr x0, [x30, 248]\n"
        "    mov sp, x0\n"
        X_PAIRS("ldp")
        "    ldr x30, [x30, 240]\n"
        "    b code\n"
        "done:\n"
        "    msr tpidr_el0, x30\n"
        "    adrp x30, after\n"
        "    add x30, x30, :lo12:after\n"
        X_PAIRS("stp")
        "    mrs x0, tpidr_el0\n"
        "    mov x1, sp\n"
        "    stp x0, x1, [x30, 240]\n"
        "    mrs x0, nzcv\n"
        "    mrs x1, fpcr\n"
        "    mrs x2, fpsr\n"
        "    str w0, [x30, 768]\n"
        "    str w1, [x30, 772]\n"
        "    str w2, [x30, 776]\n"
        V_PAIRS("stp")
        "    msr fpcr, xzr\n"
        "    adrp x2, machine_sp\n"
        "    ldr x1, [x2, :lo12:machine_sp]\n"
        "    mov sp, x1\n"
        "    ldp x21, x22, [sp, 16]\n"
        "    ldp x23, x24, [sp, 32]\n"
        "    ldp x25, x26, [sp, 48]\n"
        "    ldp x27, x28, [sp, 64]\n"
        "    ldp x29, x30, [sp, 80]\n"
        "    ldp x19, x20, [sp], 96\n"
        "    ret\n");

/* Reads or writes all of it; false at the end of the input. */
static bool transfer(long number, int fd, void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        long n = system_call(number, fd, (long)((char *)data + at), (long)(size - at), 0, 0, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static void map(uint64_t address, int protection)
{
    long got = system_call(__NR_mmap, (long)address, MACHINE_PAGE, protection,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (got != (long)address)
        system_call(__NR_exit, 3, 0, 0, 0, 0, 0);
}

static struct machine_request request;
static struct machine_response response;

/* A fault of the instructions, or a BRK around them that a branch reached, ends the request. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)info;
    response.pc = uc->uc_mcontext.pc;
    bool in_words = response.pc >= MACHINE_CODE && response.pc < MACHINE_CODE + 4 * request.count;
    response.signal = signal == SIGTRAP && !in_words ? 0 : (uint32_t)signal;
    uc->uc_mcontext.pc = (uint64_t)done;
}

static void catch_signals(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    static const int signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } action = {on_signal, SA_SIGINFO | SA_ONSTACK, NULL, 0};

    system_call(__NR_sigaltstack, (long)&alternate, 0, 0, 0, 0, 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        system_call(__NR_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0);
}

static void write_word(uint64_t address, uint32_t word)
{
    *(volatile uint32_t *)address = word;
    __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"(address) : "memory");
}

/* The word that slot n of the code page has around the instructions: BRK with its number. */
static uint32_t filler(uint64_t slot) { return 0xd4200000u | (uint32_t)slot << 5; }

static uint32_t branch_to_done(uint64_t from)
{
    return 0x14000000u | ((((uint64_t)done - from) >> 2) & 0x3ffffff);
}

static void copy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size / 8; i++)
        ((volatile uint64_t *)to)[i] = ((const uint64_t *)from)[i];
}

static void serve(void)
{
    uint64_t end = MACHINE_CODE + 4 * request.count;
    for (uint32_t i = 0; i < request.count; i++)
        write_word(MACHINE_CODE + 4 * i, request.words[i]);
    write_word(end, branch_to_done(end));
    for (uint32_t i = 0; i <= request.repeat; i++) {
        copy((void *)MACHINE_WINDOW, request.state.memory, MACHINE_MEMORY);
        response.signal = 0;
        response.pc = end;
        run(&request.state);
    }
    copy(&response.state, &after, sizeof after);
    copy(response.state.memory, (void *)MACHINE_WINDOW, MACHINE_MEMORY);
    for (uint64_t at = MACHINE_CODE; at <= end; at += 4)
        write_word(at, filler((at & (MACHINE_PAGE - 1)) / 4));
}

void machine(void)
{
    map(MACHINE_WINDOW, PROT_READ | PROT_WRITE);
    map(MACHINE_CODE & -MACHINE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    for (uint64_t slot = 0; slot < MACHINE_PAGE / 4; slot++)
        *(uint32_t *)((MACHINE_CODE & -MACHINE_PAGE) + 4 * slot) = filler(slot);
    catch_signals();
    while (transfer(__NR_read, 0, &request, sizeof request)) {
        serve();
        if (!transfer(__NR_write, 1, &response, sizeof response))
            break;
    }
    system_call(__NR_exit, 0, 0, 0, 0, 0, 0);
}
