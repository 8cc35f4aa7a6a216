/* Returns that don't follow their calls: deep recursion, longjmp, coroutines, signal handlers that don't come back,
 * threads; and functions that return elsewhere. */
// args: 1000000
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <ucontext.h>

#include "check.h"

#define APART __attribute__((noinline, noclone))

/* --- depth --- */

static volatile unsigned one = 1;

APART static unsigned deep(unsigned levels) { return levels ? deep(levels - one) * 3 + 1 : 7; }

static unsigned deep_expected(unsigned levels)
{
    unsigned result = 7;
    while (levels--)
        result = result * 3 + 1;
    return result;
}

/* Down and up by turns, so that the caller's frames are older than what a return stack remembers. */
APART static unsigned zigzag(unsigned levels)
{
    unsigned sum = levels;
    for (unsigned i = 0; levels && i < 2; i++)
        sum += zigzag(levels - one);
    return sum;
}

/* --- longjmp --- */

static jmp_buf target;

APART static void jump_from(unsigned levels)
{
    if (!levels)
        longjmp(target, 5);
    jump_from(levels - one);
    one = 1; /* no tail call */
}

APART static unsigned many_jumps(unsigned rounds)
{
    volatile unsigned caught = 0;
    for (volatile unsigned i = 0; i < rounds; i++) {
        int value = setjmp(target);
        if (value)
            caught += value == 5;
        else
            jump_from(i % 50);
    }
    return caught;
}

/* --- coroutines --- */

enum { ROUTINES = 3, TURNS = 20000 };
static ucontext_t scheduler, routine[ROUTINES];
static unsigned turns[ROUTINES], depth_reached;
static char stacks[ROUTINES][256 << 10];

APART static unsigned descend(unsigned index, unsigned levels)
{
    if (!levels) {
        swapcontext(&routine[index], &scheduler);
        depth_reached++;
        return 1;
    }
    return descend(index, levels - one) + 1;
}

static void run_routine(int index)
{
    for (unsigned i = 0; i < TURNS; i++)
        turns[index] += descend((unsigned)index, (i + (unsigned)index) % 20);
}

static void coroutines(void)
{
    for (int i = 0; i < ROUTINES; i++) {
        getcontext(&routine[i]);
        routine[i].uc_stack.ss_sp = stacks[i];
        routine[i].uc_stack.ss_size = sizeof stacks[i];
        routine[i].uc_link = &scheduler;
        makecontext(&routine[i], (void (*)(void))run_routine, 1, i);
    }
    for (unsigned turn = 0; turn < TURNS; turn++)
        for (int i = 0; i < ROUTINES; i++)
            swapcontext(&scheduler, &routine[i]);
    for (int i = 0; i < ROUTINES; i++)
        swapcontext(&scheduler, &routine[i]); /* to their ends */
}

/* --- signals --- */

static sigjmp_buf out;
static volatile unsigned ticks;

static void leave(int signo) { siglongjmp(out, signo); }
static void tick(int signo) { (void)signo, ticks++; }

static unsigned faults(unsigned rounds)
{
    volatile unsigned caught = 0;
    signal(SIGSEGV, leave);
    for (volatile unsigned i = 0; i < rounds; i++) {
        if (sigsetjmp(out, 1))
            caught++;
        else
            *(volatile char *)(uintptr_t)8 = 1;
    }
    return caught;
}

/* Handlers that return run between all the calls and returns of this. */
static void interrupted(void)
{
    struct itimerval every = {{0, 500}, {0, 500}}, never = {0};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; ticks < 50 && i < 100000; i++)
        CHECK(zigzag(10), 2036);
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(ticks >= 50, 1);
}

/* --- threads --- */

static void *in_thread(void *result)
{
    for (int i = 0; i < 20; i++)
        *(unsigned *)result += deep(20000) == deep_expected(20000);
    return NULL;
}

/* --- elsewhere --- */

#ifdef __aarch64__
/* Calls a function that goes back past its caller: into `there`, from where the caller's frame is left. */
unsigned return_elsewhere(void);
__asm__(".text\n"
        "return_elsewhere: mov x9, x30\n"
        "    mov w0, 1\n"
        "    bl 1f\n"
        "    mov w0, 99\n"      /* never */
        "    br x9\n"
        "1:  adr x30, 2f\n"
        "    ret\n"
        "2:  add w0, w0, 1\n"
        "    mov x10, x9\n"
        "    ret x10\n");
#else
static unsigned return_elsewhere(void) { return 2; }
#endif

int main(int argc, char **argv)
{
    unsigned levels = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
    struct {
        pthread_t thread;
        unsigned right;
    } threads[3] = {0};
    pthread_attr_t attr;

    CHECK(deep(100), deep_expected(100));
    CHECK(zigzag(14), 32752);
    CHECK(many_jumps(30000), 30000);
    coroutines();
    CHECK(depth_reached, ROUTINES * TURNS);
    for (int i = 0; i < ROUTINES; i++)
        CHECK(turns[i], TURNS * 21 / 2);
    CHECK(faults(2000), 2000);
    interrupted();
    for (int i = 0; i < 100000; i++)
        CHECK(return_elsewhere(), 2);

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 20);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i].thread, &attr, in_thread, &threads[i].right);
    pthread_t big;
    unsigned right = 0;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i].thread, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(threads[i].right, 20);
    pthread_create(&big, &attr, (void *(*)(void *))(void *)deep, (void *)(uintptr_t)levels);
    void *result;
    pthread_join(big, &result);
    CHECK((unsigned)(uintptr_t)result, deep_expected(levels));
    return check_end();
}
