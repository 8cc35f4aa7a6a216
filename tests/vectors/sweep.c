/* An ARM64 program that finds out which instruction words are undefined: sweep FIRST COUNT LOWS executes words and writes
 * a bit for each to standard output, set if it ended with SIGILL as an undefined instruction. Words are numbered: LOWS
 * patterns of the low 10 bits (all if 1024) for each pattern of the high 22. Without a C library, as any register may be
 * lost. Runs under any emulator and on real hardware.
 *
 * Words lie in slots of a region without neighbours, each followed by a branch back. All registers hold an address
 * where nothing is mapped, so that accesses and branches fault, and no system call has that number; but x17 holds the
 * slot's. */
#include "system_call.h"

#include <asm/unistd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { SLOTS = 4096, NOWHERE = 0x1000, LINE = 64, ALARM_US = 100000 };

static const uint64_t region = 0x8000000; /* with nothing else in the reach of a conditional branch */
static const uint32_t nop = 0xd503201f;

static uint8_t undefined[SLOTS / 8];
static uint32_t next_slot, slot_count;
static uint64_t started; /* words in all */
uint64_t saved_sp;

void back(void);
void run_slots(void);

/* run_slots() runs from slot to slot, by back or by on_signal(), and returns behind the last. */
__asm__(".text\n"
        ".global _start, back, run_slots, enter_slot, leave_slots\n"
        "_start: mov x0, sp\n"
        "    mov x29, 0\n"
        "    bl sweep\n"
        "run_slots:\n"
        "    stp x19, x20, [sp, -96]!\n"
        "    stp x21, x22, [sp, 16]\n"
        "    stp x23, x24, [sp, 32]\n"
        "    stp x25, x26, [sp, 48]\n"
        "    stp x27, x28, [sp, 64]\n"
        "    stp x29, x30, [sp, 80]\n"
        "    mov x1, sp\n"
        "    adrp x2, saved_sp\n"
        "    str x1, [x2, :lo12:saved_sp]\n"
        "back:\n"
        "    adrp x2, saved_sp\n"
        "    ldr x1, [x2, :lo12:saved_sp]\n"
        "    mov sp, x1\n"
        "    bl advance\n"
        "    cbz x0, leave_slots\n"
        "enter_slot:\n"
        "    mov x17, x0\n"
        "    msr fpcr, xzr\n"
        "    clrex\n"
        "    mov x0, 0x1000\n"
        "    mov sp, x0\n"
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "    mov x\\n, x0\n"
        ".endr\n"
        "    br x17\n"
        "leave_slots:\n"
        "    ldp x21, x22, [sp, 16]\n"
        "    ldp x23, x24, [sp, 32]\n"
        "    ldp x25, x26, [sp, 48]\n"
        "    ldp x27, x28, [sp, 64]\n"
        "    ldp x29, x30, [sp, 80]\n"
        "    ldp x19, x20, [sp], 96\n"
        "    ret\n");

static uint64_t address_of(uint32_t slot) { return region + 8ull * slot; }

/* The next slot's address, or 0. */
__attribute__((used)) uint64_t advance(void)
{
    started++;
    return next_slot < slot_count ? address_of(next_slot++) : 0;
}

/* A word that jumps may end anywhere; only one that is undefined itself counts. One that runs
 * for a whole period of the alarm is stopped. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint32_t slot = next_slot - 1;
    (void)info;
    if (signal == SIGILL && uc->uc_mcontext.pc == address_of(slot))
        undefined[slot / 8] |= (uint8_t)(1u << slot % 8);
    if (signal == SIGVTALRM) {
        static uint64_t last;
        bool hangs = uc->uc_mcontext.pc - region < 8 * SLOTS && last == started;
        last = started;
        if (!hangs)
            return;
    }
    uc->uc_mcontext.pc = (uint64_t)back;
}

static void catch_signals(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    static const int signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE, SIGVTALRM};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } action = {on_signal, SA_SIGINFO | SA_ONSTACK, NULL, ~0ul};
    const long every[4] = {0, ALARM_US, 0, ALARM_US};

    system_call(__NR_sigaltstack, (long)&alternate, 0, 0, 0, 0, 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        system_call(__NR_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0);
    system_call(__NR_setitimer, 1 /* ITIMER_VIRTUAL */, (long)every, 0, 0, 0, 0);
}

/* Words that would change what later ones are: streaming mode; semihosting, which ends qemu; B and BL into this program. */
static bool is_left_out(uint32_t word, uint64_t at)
{
    extern const char __executable_start[], _end[];
    uint64_t target = at + (uint64_t)(int64_t)((int32_t)(word << 6) >> 4);
    if ((word & 0x7c000000) == 0x14000000 && target - (uint64_t)__executable_start <= (uint64_t)(_end - __executable_start))
        return true;
    return (word & 0xfffff0ff) == 0xd503407f || (word & 0xffffffe0) == 0xd51b4240 || word == 0xd45e0000;
}

/* The low bits: mixed, so that register numbers are equal, different, even, odd, 31. */
static uint32_t word_of(uint64_t number, uint32_t lows)
{
    uint32_t high = (uint32_t)(number / lows), low = (uint32_t)(number % lows);
    if (lows < 1024)
        low = low == 0 ? 0x3ff : (low * 0x2e5 + high * 0x9d + (high >> 10) * 0x1b5) & 0x3ff;
    return high << 10 | low;
}

/* Code is not written while it runs: x17 is the address of the slot, to which a word may store. */
static void protect(int protection)
{
    if (system_call(__NR_mprotect, (long)region, 8 * SLOTS, protection, 0, 0, 0))
        system_call(__NR_exit, 5, 0, 0, 0, 0, 0);
}

static void fill(uint64_t first, uint32_t lows)
{
    protect(PROT_READ | PROT_WRITE | PROT_EXEC);
    for (uint32_t i = 0; i < slot_count; i++) {
        uint64_t at = address_of(i);
        uint32_t word = word_of(first + i, lows);
        ((volatile uint32_t *)at)[0] = is_left_out(word, at) ? nop : word;
        ((volatile uint32_t *)at)[1] = 0x14000000u | ((((uint64_t)back - at - 4) >> 2) & 0x3ffffff);
    }
    for (uint64_t at = region; at < address_of(slot_count); at += LINE)
        __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish\n isb" : : : "memory");
    protect(PROT_READ | PROT_EXEC);
}

static uint64_t parse(const char *text)
{
    uint64_t x = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        x = 10 * x + (uint64_t)(*text - '0');
    return x;
}

__attribute__((used)) void sweep(uint64_t *stack)
{
    char **arguments = (char **)stack + 1;
    uint64_t first = parse(arguments[1]), count = parse(arguments[2]);
    uint32_t lows = (uint32_t)parse(arguments[3]);
    long got = system_call(__NR_mmap, (long)region, 8 * SLOTS, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (got != (long)region)
        system_call(__NR_exit, 3, 0, 0, 0, 0, 0);
    catch_signals();
    for (uint64_t done = 0; done < count; done += SLOTS) {
        slot_count = count - done < SLOTS ? (uint32_t)(count - done) : SLOTS;
        next_slot = 0;
        for (size_t i = 0; i < sizeof undefined; i++)
            ((volatile uint8_t *)undefined)[i] = 0;
        fill(first + done, lows);
        run_slots();
        for (size_t at = 0; at < sizeof undefined;) {
            long n = system_call(__NR_write, 1, (long)(undefined + at), (long)(sizeof undefined - at), 0, 0, 0);
            if (n <= 0)
                system_call(__NR_exit, 4, 0, 0, 0, 0, 0);
            at += (size_t)n;
        }
    }
    system_call(__NR_exit, 0, 0, 0, 0, 0, 0);
}
