/* A compiler's worst day: two threads write functions into a double mapping of a memfd, through its writable view, and
 * call them in its executable one, each rewritten 10^5 times; only the executable view is named when the caches are
 * cleaned. Beside them stands code that doesn't change, in the same page and in others. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "check.h"

enum { PAGE = 4096, PAGES = 64, SLOT = 64, ROUNDS = 100000, THREADS = 2 };

static char *writable, *executable;

static void put_function(size_t offset, unsigned value)
{
#ifdef __aarch64__
    uint32_t words[] = {0x52800000 | (value & 0xffff) << 5, 0x72a00000 | (value >> 16) << 5, 0xd65f03c0};
    memcpy(writable + offset, words, sizeof words); /* mov w0, #low; movk w0, #high, lsl 16; ret */
#else
    writable[offset] = (char)0xb8; /* mov $value, %eax; ret */
    memcpy(writable + offset + 1, &value, sizeof value);
    writable[offset + 5] = (char)0xc3;
#endif
    __builtin___clear_cache(executable + offset, executable + offset + 16);
}

static unsigned call(size_t offset) { return ((unsigned (*)(void))(executable + offset))(); }

static void *rewrite(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg, wrong = 0;
    size_t own = thread * SLOT, steady = PAGE + thread * SLOT, near = (THREADS + thread) * SLOT;
    put_function(steady, thread);
    put_function(near, thread + 100);
    for (unsigned round = 0; round < ROUNDS; round++) {
        put_function(own, round * 7 + thread);
        wrong += call(own) != round * 7 + thread;
        wrong += call(steady) != thread;
        wrong += call(near) != thread + 100;
    }
    return (void *)(uintptr_t)wrong;
}

/* Cleaning lines where nothing was ever executed, as a compiler does that writes megabytes. */
static void clean_much(void)
{
    size_t size = 8 << 20;
    char *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    __builtin___clear_cache(fresh, fresh + size);
    clock_gettime(CLOCK_MONOTONIC, &after);
    if (getenv("SHOW_TIMES"))
        printf("%.0f ns for a line\n", ((after.tv_sec - before.tv_sec) * 1e9 + (after.tv_nsec - before.tv_nsec)) /
                                           (size / 64));
    munmap(fresh, size);
}

/* A function at CALLER calls its argument and gives back a number, which its callee changes meanwhile. */
enum { CALLER = 2 * PAGE, CALLS = 2000 };
static unsigned next_number;

static void put_caller(unsigned number)
{
#ifdef __aarch64__
    uint32_t words[] = {0xa9bf7bfd, 0xd63f0000, 0x52800000 | number << 5, 0xa8c17bfd, 0xd65f03c0};
    memcpy(writable + CALLER, words, sizeof words); /* stp x29, x30, [sp, -16]!; blr x0; mov w0, #number; ldp; ret */
#else
    const uint8_t call[] = {0x50, 0xff, 0xd7, 0xb8}, back[] = {0x59, 0xc3}; /* push; call *%rdi; mov; pop; ret */
    memcpy(writable + CALLER, call, sizeof call);
    memcpy(writable + CALLER + sizeof call, &number, sizeof number);
    memcpy(writable + CALLER + sizeof call + sizeof number, back, sizeof back);
#endif
    __builtin___clear_cache(executable + CALLER, executable + CALLER + 20);
}

static void change_caller(void) { put_caller(++next_number); }
static void leave_caller(void) {}

static void rewrite_callers(void)
{
    unsigned (*caller)(void (*)(void)) = (unsigned (*)(void (*)(void)))(executable + CALLER);
    unsigned wrong = 0;
    put_caller(0);
    for (unsigned i = 0; i < CALLS; i++) {
        wrong += caller(leave_caller) != next_number;
        wrong += caller(i % 50 ? leave_caller : change_caller) != next_number;
    }
    CHECK(wrong, 0);
    CHECK(next_number, CALLS / 50);
}

int main(void)
{
    pthread_t threads[THREADS];
    int fd = memfd_create("code", 0);
    CHECK(ftruncate(fd, PAGES * PAGE), 0);
    writable = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    executable = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, rewrite, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK((uintptr_t)wrong, 0);
    }
    rewrite_callers();
    clean_much();
    return check_end();
}
