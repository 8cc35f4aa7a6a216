// arm64-only
// Threads that sleep in system calls: their vector registers are theirs when they wake up and in the frames of signals
// that wake them, and the code that they came from may have made room for other code meanwhile.
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { FUNCTIONS = 20000, MOVZ_W0 = 0x52800000, RET = 0xd65f03c0, EINTR_ = 4 };

static volatile sig_atomic_t frames, wrong_frames;
static int handled[2];

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

/* read() with n in all bytes of each vector register; whether they still are there. */
static long read_with(int fd, uint8_t n, int *kept)
{
    uint8_t before[16], after[32][16], c;
    memset(before, n, sizeof before);
    register long x0 __asm__("x0") = fd;
    register void *x1 __asm__("x1") = &c;
    register long x2 __asm__("x2") = 1, x8 __asm__("x8") = SYS_read;
    __asm__ volatile("ldr q0, [%[before]]\n"
                     ".irp r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                     "mov v\\r\\().16b, v0.16b\n"
                     ".endr\n"
                     "svc #0\n"
                     "mov x9, %[after]\n"
                     ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                     "str q\\r, [x9], #16\n"
                     ".endr\n"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x8), [before] "r"(before), [after] "r"(after)
                     : "x9", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
                       "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                       "v27", "v28", "v29", "v30", "v31");
    *kept = 1;
    for (int r = 0; r < 32; r++)
        *kept &= !memcmp(before, after[r], sizeof before);
    return x0;
}

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info;
    const mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    const struct fpsimd_context *fp = (const void *)machine->__reserved;
    if (machine->regs[8] == SYS_read && (long)machine->regs[0] == -EINTR_) {
        __uint128_t wanted;
        memset(&wanted, 0x5a, sizeof wanted);
        for (int r = 0; r < 32; r++)
            wrong_frames += fp->vregs[r] != wanted;
        frames++;
    }
    if (write(handled[1], "h", 1) != 1)
        fail("write in the handler");
    __asm__ volatile("movi v3.16b, #1\nmovi v14.16b, #2\nmovi v31.16b, #3" ::: "v3", "v14", "v31");
}

static void *sleeper(void *fds)
{
    int kept;
    if (read_with(((int *)fds)[0], 0x5a, &kept) != -EINTR_ || !kept)
        fail("vector registers after a call that a signal ended");
    if (read_with(((int *)fds)[0], 0x77, &kept) != 1 || !kept)
        fail("vector registers after a call");
    return NULL;
}

/* Runs more code than a small cache holds. */
static void run_much_code(void)
{
    uint32_t *code = mmap(NULL, FUNCTIONS * 8, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        code[2 * i] = MOVZ_W0 | (i & 0xffff) << 5;
        code[2 * i + 1] = RET;
    }
    __builtin___clear_cache((char *)code, (char *)(code + 2 * FUNCTIONS));
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        int (*f)(void);
        void *at = code + 2 * i;
        memcpy(&f, &at, sizeof f);
        if (f() != (int)i)
            fail("a function's result");
    }
}

int main(void)
{
    int fds[2];
    char byte;
    pthread_t thread;
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    if (pipe(fds) || pipe(handled) || pthread_create(&thread, NULL, sleeper, fds))
        fail("pipe or thread");
    while (!frames) { /* once it sleeps it gets the signal there, and no second one */
        usleep(100000);
        pthread_kill(thread, SIGUSR1);
        if (read(handled[0], &byte, 1) != 1)
            fail("read");
    }
    usleep(100000);
    run_much_code();
    if (write(fds[1], "x", 1) != 1 || pthread_join(thread, NULL))
        fail("write or join");
    puts(wrong_frames ? "vector registers in the frame of the signal" : "ok");
    return wrong_frames != 0;
}
