/* What crossing into the kernel costs: system calls, signals, page faults, fork, exec, threads. */
#include "suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

static char buffer[65536];
static int zero, null, ends[2], file;
static char **self;

static void on_signal(int signo) { (void)signo; }

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE_BYTES - 1));
    mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static void do_getppid(void) { syscall(SYS_getppid); }
static void do_read(void) { (void)!read(zero, buffer, 1); }
static void do_write(void) { (void)!write(null, buffer, 1); }
static void do_read_64k(void) { (void)!read(zero, buffer, sizeof buffer); }
static void do_fstat(void)
{
    struct stat st;
    fstat(file, &st);
}
static void do_stat(void)
{
    struct stat st;
    stat("/", &st);
}
static void do_open(void) { close(open("/", O_RDONLY)); }
static void do_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}
static void do_pipe(void)
{
    (void)!write(ends[1], buffer, 1);
    (void)!read(ends[0], buffer, 1);
}
static void do_signal_install(void) { signal(SIGUSR2, on_signal); }
static void do_signal(void) { raise(SIGUSR1); }
static void do_mmap(void) { munmap(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536); }

static void do_page_faults(void) /* of 64 pages */
{
    char *memory = mmap(NULL, 64 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 64; i++)
        memory[i * PAGE_BYTES] = 1;
    munmap(memory, 64 * PAGE_BYTES);
}

static void do_protection_fault(void)
{
    static char *page;
    if (!page)
        page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, PAGE_BYTES, PROT_READ);
    *(volatile char *)page = 1;
}

static void do_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
}

static void do_exec(void)
{
    pid_t child = vfork();
    if (child == 0) {
        execl(self[0], self[0], "child", (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

static void *nothing(void *argument) { return argument; }
static void do_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
}

static const struct {
    const char *name;
    void (*operation)(void);
    long count;  /* at 100 % */
    double parts; /* of the operation that the figure is for */
} rows[] = {
    {"getppid", do_getppid, 50000, 1},
    {"clock_gettime", do_clock, 100000, 1},
    {"read-1", do_read, 25000, 1},
    {"write-1", do_write, 25000, 1},
    {"read-64k", do_read_64k, 2500, 1},
    {"fstat", do_fstat, 25000, 1},
    {"stat", do_stat, 12500, 1},
    {"open-close", do_open, 7500, 1},
    {"pipe-write-read", do_pipe, 12500, 1},
    {"signal-install", do_signal_install, 25000, 1},
    {"signal-deliver", do_signal, 10000, 1},
    {"mmap-munmap", do_mmap, 7500, 1},
    {"page-fault", do_page_faults, 250, 64},
    {"protection-fault", do_protection_fault, 2500, 1},
    {"thread", do_thread, 500, 1},
    {"fork", do_fork, 100, 1},
    {"exec", do_exec, 25, 1},
};

static void measure(double percent)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        long count = (long)((double)rows[i].count * percent / 100), left = count > 2 ? count : 2;
        count = left;
        rows[i].operation();
        double before = suite_cpu_ns();
        while (left-- > 0)
            rows[i].operation();
        suite_metric(rows[i].name, (suite_cpu_ns() - before) / (double)count / rows[i].parts);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return 0;
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    self = argv;
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    file = open("/", O_RDONLY);
    if (zero < 0 || null < 0 || pipe(ends)) {
        perror("abi: /dev/zero, /dev/null, a pipe");
        return 1;
    }
    signal(SIGUSR1, on_signal);
    sigaction(SIGSEGV, &fault, NULL);
    measure(argc > 1 ? atof(argv[1]) : 100);
    return kernel_done(1);
}
