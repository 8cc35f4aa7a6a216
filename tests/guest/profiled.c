/* Functions with known numbers of calls, and known shares of the CPU time, for --explain, --flame
 * and --report: see tests/cli. The first argument chooses the way it goes; without one each function runs a
 * little. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))

/* --- counts ---- */

static _Atomic unsigned found[3];

/* 100 of 1000 numbers leave at the first branch, 99 at the second, one at the third. */
APART int classify(int x)
{
    if (x < 100) {
        found[0]++;
        return 1;
    }
    if (x > 900) {
        found[1]++;
        return 2;
    }
    if (x == 500)
        return 3;
    found[2]++;
    return 0;
}

APART int never_called(int x) { return x * 3 + 1; }

static void *classify_all(void *times)
{
    long sum = 0;
    for (long n = 0; n < (long)times; n++)
        for (int i = 0; i < 1000; i++)
            sum += classify(i);
    return (void *)sum;
}

/* --- time ---- */

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The compiler must not find out that it always gives the same. */
APART unsigned long spin(unsigned long n)
{
    unsigned long x = n;
    __asm__ volatile("" : "+r"(x));
    for (unsigned long i = 0; i < n; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

static volatile unsigned long sink;

/* Each calls spin() and goes on, so that it has a frame. */
APART void three_parts(unsigned long n)
{
    for (int i = 0; i < 3; i++)
        sink += spin(n);
    sink++;
}

APART void one_part(unsigned long n)
{
    sink += spin(n);
    sink++;
}

/* For so many seconds of the thread's CPU time. */
APART void *work(void *seconds)
{
    double end = cpu_seconds() + *(double *)seconds;
    do {
        three_parts(20000);
        one_part(20000);
    } while (cpu_seconds() < end);
    return NULL;
}

/* --- ways to go ---- */

enum { THREADS = 4 };

static void in_threads(void *(*function)(void *), void *arg)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, function, arg);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *be_brief(void *arg)
{
    sink += spin(1000);
    return arg;
}

static volatile sig_atomic_t caught;

static void count_signal(int signo)
{
    (void)signo;
    caught++;
}

/* Nobody sends a signal, and nobody but the time ends a call. */
static void be_disturbed(double seconds)
{
    struct sigaction action = {.sa_handler = count_signal};
    pthread_t thread;
    int ended = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        sigaction(signo, &action, NULL);
    pthread_create(&thread, NULL, work, &seconds);
    for (int i = 0; i < 10; i++)
        ended += poll(NULL, 0, (int)(seconds * 100)) != 0;
    pthread_join(thread, NULL);
    work(&seconds);
    printf("%d signals, %d calls that ended early\n", (int)caught, ended);
}

/* A child that works after its parent's end. */
static void leave_a_child(double seconds)
{
    pid_t parent = getpid();
    if (fork())
        return;
    while (getppid() == parent)
        usleep(1000);
    work(&seconds);
    _exit(0);
}

static void *leave(void *arg)
{
    (void)arg;
    exit(7);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    double seconds = argc > 2 ? atof(argv[2]) : 0.01;
    if (!strcmp(way, "never"))
        return never_called(argc);
    if (!strncmp(way, "work", 4)) {
        !strcmp(way, "work-threads") ? in_threads(work, &seconds) : (void)work(&seconds);
    } else if (!strcmp(way, "threads")) {
        in_threads(classify_all, (void *)20);
    } else {
        classify_all((void *)1);
    }
    if (!strcmp(way, "fork")) {
        pid_t child = fork();
        if (child == 0) {
            classify_all((void *)5);
            exit(0);
        }
        waitpid(child, NULL, 0);
    } else if (!strcmp(way, "forks")) {
        for (int i = 0; i < 200; i++) {
            pid_t child = fork();
            if (child == 0) {
                work(&seconds);
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
    } else if (!strcmp(way, "fork-threads")) {
        pid_t child = fork();
        if (child == 0) {
            in_threads(work, &seconds);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    } else if (!strcmp(way, "disturbed")) {
        be_disturbed(seconds);
    } else if (!strcmp(way, "orphan")) {
        leave_a_child(seconds);
    } else if (!strcmp(way, "brief-threads") || !strcmp(way, "late-threads")) {
        if (way[0] == 'l') /* the process is not brief when its first threads end, whose memory is used again */
            in_threads(work, &seconds);
        for (int i = 0; i < 500; i++)
            in_threads(be_brief, NULL);
    } else if (!strcmp(way, "exec")) {
        char *const args[] = {argv[0], "", NULL};
        pid_t child = vfork();
        if (child == 0) {
            execv("/proc/self/exe", args);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    } else if (!strcmp(way, "thread-exits")) {
        pthread_t thread;
        pthread_create(&thread, NULL, leave, NULL);
        for (;;)
            pause();
    } else if (!strcmp(way, "signal")) {
        raise(SIGTERM);
    } else if (!strcmp(way, "fault")) {
        *(volatile int *)8 = 1;
    }
    work(&seconds);
    printf("%u %u %u\n", found[0], found[1], found[2]);
    return 0;
}
