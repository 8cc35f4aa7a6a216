// arm64-only
// dynamic
/* The vDSO: an ELF image with the functions that Linux/arm64 has, as fast and as right as the system calls. */
#include <elf.h>
#include <execinfo.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static const char *base;
static const Elf64_Sym *symbols;
static const char *names;
static const uint32_t *hash;
static const Elf64_Half *versions;

static void read_dynamic(const Elf64_Dyn *dynamic)
{
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        const char *at = base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = (const void *)at;
        if (dynamic->d_tag == DT_STRTAB)
            names = at;
        if (dynamic->d_tag == DT_HASH)
            hash = (const void *)at;
        if (dynamic->d_tag == DT_VERSYM)
            versions = (const void *)at;
    }
}

/* By way of the hash table, as loaders do. */
static void *function(const char *name)
{
    uint32_t h = 0;
    for (const char *at = name; *at; at++) {
        h = (h << 4) + (unsigned char)*at;
        h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
    }
    const uint32_t *chain = hash + 2 + hash[0];
    for (uint32_t i = hash[2 + h % hash[0]]; i; i = chain[i])
        if (!strcmp(names + symbols[i].st_name, name) && versions[i] == 2)
            return (void *)(base + symbols[i].st_value);
    return NULL;
}

static void image_is_whole(void)
{
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(base != NULL, 1);
    const Elf64_Ehdr *header = (const void *)base;
    CHECK(memcmp(header->e_ident, ELFMAG, 4), 0);
    CHECK(header->e_machine, EM_AARCH64);
    const Elf64_Phdr *segment = (const void *)(base + header->e_phoff);
    int seen = 0;
    for (int i = 0; i < header->e_phnum; i++) {
        if (segment[i].p_type == PT_DYNAMIC)
            read_dynamic((const void *)(base + segment[i].p_vaddr));
        seen |= segment[i].p_type == PT_LOAD ? 1 : segment[i].p_type == PT_GNU_EH_FRAME ? 2 : 0;
    }
    CHECK(seen, 3);
    CHECK(symbols && names && hash && versions, 1);
    CHECK(function("__kernel_no_such_function") == NULL, 1);
}

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * 1000000000ll + t->tv_nsec; }

static void functions_answer(void)
{
    int (*gettime)(clockid_t, struct timespec *) = function("__kernel_clock_gettime");
    int (*getres)(clockid_t, struct timespec *) = function("__kernel_clock_getres");
    int (*gettod)(struct timeval *, struct timezone *) = function("__kernel_gettimeofday");
    struct timespec before, between, after;
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        CHECK(syscall(SYS_clock_gettime, clocks[i], &before), 0);
        CHECK(gettime(clocks[i], &between), 0);
        CHECK(syscall(SYS_clock_gettime, clocks[i], &after), 0);
        CHECK(nanoseconds(&before) <= nanoseconds(&between) && nanoseconds(&between) <= nanoseconds(&after), 1);
    }
    CHECK(gettime(77, &between), -EINVAL);
    CHECK(getres(CLOCK_MONOTONIC_COARSE, &between), 0);
    CHECK(syscall(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &after), 0);
    CHECK(nanoseconds(&between), nanoseconds(&after));
    CHECK(getres(CLOCK_REALTIME, NULL), 0);
    struct timeval now;
    struct timezone zone = {77, 77};
    CHECK(gettod(&now, &zone), 0);
    CHECK(labs(now.tv_sec - time(NULL)) <= 1 && zone.tz_minuteswest != 77, 1);
    CHECK(gettod(NULL, NULL), 0);
    CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, 16), EFAULT);
    CHECK_ERRNO(syscall(SYS_clock_gettime, 77, 16), EINVAL);
    CHECK_ERRNO(syscall(SYS_clock_getres, CLOCK_REALTIME, 16), EFAULT);
}

/* As the kernel's vgetrandom_opaque_params. */
struct random_params {
    uint32_t state_bytes, prot, flags, reserved[13];
};
typedef ssize_t random_function(void *buffer, size_t bytes, unsigned flags, void *state, size_t state_bytes);

static int is_varied(const unsigned char *bytes, int count)
{
    int different = 0;
    for (int i = 1; i < count; i++)
        different += bytes[i] != bytes[i - 1];
    return different > count / 2;
}

/* Kernels have it since Linux 6.11, the guest's as well as the host's. */
static void random_numbers_come_without_a_call(void)
{
    unsigned char first[256] = {0}, second[256] = {0};
    struct random_params params = {0};
    random_function *get = function("__kernel_getrandom");
    if (!get)
        return;
    CHECK(get(NULL, 0, 0, &params, ~0ul), 0);
    CHECK(params.state_bytes >= 128 && params.state_bytes < 4096, 1);
    CHECK(params.prot, PROT_READ | PROT_WRITE);
    void *state = mmap(NULL, 4096, params.prot, params.flags, -1, 0);
    CHECK(state != MAP_FAILED, 1);
    CHECK(get(first, sizeof first, 0, state, params.state_bytes), sizeof first);
    CHECK(get(second, sizeof second, 0, state, params.state_bytes), sizeof second);
    CHECK(is_varied(first, 256) && is_varied(second, 256), 1);
    CHECK(memcmp(first, second, 256) != 0, 1);
    CHECK(get(first, 8, 0, state, params.state_bytes - 1), 8); /* by a system call */
    CHECK(get(first, 8, 0x1000, state, params.state_bytes), -EINVAL);
    CHECK(get(first, 0, 0, state, params.state_bytes), 0);
    CHECK(syscall(SYS_getrandom, first, 16, 0, state, 3), 16); /* has three arguments only */

    int ends[2], status = -1;
    pipe(ends);
    get(first, 8, 0, state, params.state_bytes);
    pid_t pid = fork(); /* the child's numbers are others */
    get(first, 64, 0, state, params.state_bytes);
    if (pid == 0)
        _exit(write(ends[1], first, 64) != 64);
    CHECK(read(ends[0], second, 64), 64);
    CHECK(memcmp(first, second, 64) != 0, 1);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(status, 0);
}

static void maps_name_it(void)
{
    char line[512];
    int seen = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        if (strstr(line, "[vdso]")) {
            seen++;
            CHECK(strtoul(line, NULL, 16), (long)base);
            CHECK(strstr(line, " r-xp ") != NULL, 1);
        }
    }
    fclose(maps);
    CHECK(seen, 1);
}

/* A handler that is entered while the vDSO runs sees its caller. */
static volatile int frames_seen, found_caller;
static void *caller_start, *caller_end;

static void walk(int signo, siginfo_t *info, void *context)
{
    void *frame[32];
    uint64_t pc = ((ucontext_t *)context)->uc_mcontext.pc;
    if (pc - (uint64_t)base >= 4096)
        return;
    int count = backtrace(frame, 32);
    frames_seen++;
    for (int i = 0; i < count; i++)
        found_caller += frame[i] > caller_start && frame[i] < caller_end;
}

__attribute__((noinline)) static void call_clock(int (*gettime)(clockid_t, struct timespec *))
{
    struct timespec now;
    for (int i = 0; i < 3000000 && frames_seen < 3; i++)
        gettime(CLOCK_MONOTONIC, &now);
    asm volatile("");
}
__attribute__((noinline)) static void after_call_clock(void) { asm volatile(""); }

static void unwinders_pass_through_it(void)
{
    void *warm[2];
    struct sigaction action = {.sa_sigaction = walk, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    backtrace(warm, 2);
    caller_start = (void *)call_clock;
    caller_end = (char *)call_clock + 512;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    call_clock(function("__kernel_clock_gettime"));
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(found_caller, frames_seen);
}

/* Functions like any other: a bad pointer is a fault in them, no error. */
static sigjmp_buf back;
static void *fault_address;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    fault_address = info->si_addr;
    CHECK(at->uc_mcontext.pc - (uintptr_t)base < 4096, 1);
    siglongjmp(back, 1);
}

static void bad_pointers_are_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    int (*gettime)(clockid_t, struct timespec *) = function("__kernel_clock_gettime");
    int (*gettod)(struct timeval *, struct timezone *) = function("__kernel_gettimeofday");
    sigaction(SIGSEGV, &action, &old);
    if (sigsetjmp(back, 1) == 0) {
        gettime(CLOCK_MONOTONIC, (void *)24);
        CHECK("no fault" == NULL, 1);
    }
    CHECK(fault_address, 24);
    if (sigsetjmp(back, 1) == 0) {
        gettod((void *)40, NULL);
        CHECK("no fault" == NULL, 1);
    }
    CHECK(fault_address, 40);
    sigaction(SIGSEGV, &old, NULL);
}

/* A clock costs no register that a function has to keep, nor, here, any vector register. */
static long changed_vectors(void *gettime, struct timespec *now)
{
    uint64_t before[64], after[64];
    for (int i = 0; i < 64; i++)
        before[i] = i * 0x123456789abcdefull;
    register void *call __asm__("x20") = gettime;
    register uint64_t *in __asm__("x21") = before, *out __asm__("x22") = after;
    register long clock __asm__("x0") = CLOCK_MONOTONIC;
    register struct timespec *to __asm__("x1") = now;
    __asm__ volatile("ldp q0, q1, [x21]; ldp q2, q3, [x21, 32]; ldp q4, q5, [x21, 64]; ldp q6, q7, [x21, 96]\n"
                     "ldp q8, q9, [x21, 128]; ldp q10, q11, [x21, 160]; ldp q12, q13, [x21, 192]\n"
                     "ldp q14, q15, [x21, 224]; ldp q16, q17, [x21, 256]; ldp q18, q19, [x21, 288]\n"
                     "ldp q20, q21, [x21, 320]; ldp q22, q23, [x21, 352]; ldp q24, q25, [x21, 384]\n"
                     "ldp q26, q27, [x21, 416]; ldp q28, q29, [x21, 448]; ldp q30, q31, [x21, 480]\n"
                     "blr x20\n"
                     "stp q0, q1, [x22]; stp q2, q3, [x22, 32]; stp q4, q5, [x22, 64]; stp q6, q7, [x22, 96]\n"
                     "stp q8, q9, [x22, 128]; stp q10, q11, [x22, 160]; stp q12, q13, [x22, 192]\n"
                     "stp q14, q15, [x22, 224]; stp q16, q17, [x22, 256]; stp q18, q19, [x22, 288]\n"
                     "stp q20, q21, [x22, 320]; stp q22, q23, [x22, 352]; stp q24, q25, [x22, 384]\n"
                     "stp q26, q27, [x22, 416]; stp q28, q29, [x22, 448]; stp q30, q31, [x22, 480]\n"
                     : "+r"(clock), "+r"(to)
                     : "r"(call), "r"(in), "r"(out)
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "x18", "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
                       "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
                       "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
    return clock ? 64 : memcmp(before, after, sizeof before) != 0;
}

static void clocks_keep_registers(void)
{
    struct timespec now, before = {0};
    long wrong = 0;
    for (int i = 0; i < 20000; i++) {
        wrong += changed_vectors(function("__kernel_clock_gettime"), &now);
        wrong += nanoseconds(&now) < nanoseconds(&before);
        before = now;
    }
    CHECK(wrong, 0);
}

static void clocks_agree(void)
{
    int (*gettod)(struct timeval *, struct timezone *) = function("__kernel_gettimeofday");
    for (int i = 0; i < 2000; i++) {
        struct timespec before, after;
        struct timeval now;
        clock_gettime(CLOCK_REALTIME, &before);
        CHECK(gettod(&now, NULL), 0);
        clock_gettime(CLOCK_REALTIME, &after);
        int64_t between = now.tv_sec * 1000000ll + now.tv_usec;
        CHECK(nanoseconds(&before) / 1000 <= between && between <= nanoseconds(&after) / 1000, 1);
    }
}

int main(void)
{
    image_is_whole();
    functions_answer();
    bad_pointers_are_faults();
    clocks_keep_registers();
    clocks_agree();
    random_numbers_come_without_a_call();
    maps_name_it();
    unwinders_pass_through_it();
    return check_end();
}
