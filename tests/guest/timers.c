/* Interval and POSIX timers, sleeping, clocks. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int ticks;
static void tick(int signo) { ticks++; }

static long elapsed_ms(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

int main(void)
{
    struct timespec start, rest, nap = {0, 60000000};
    struct itimerval interval = {{0, 10000}, {0, 10000}};
    clock_gettime(CLOCK_MONOTONIC, &start);
    int slept = nanosleep(&nap, NULL);
    printf("nanosleep %d, long enough %d\n", slept, elapsed_ms(&start) >= 60);
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &interval, NULL);
    while (ticks < 5)
        pause();
    interval = (struct itimerval){0};
    setitimer(ITIMER_REAL, &interval, NULL);
    puts("five ticks");

    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec once = {{0, 0}, {0, 20000000}};
    sigset_t blocked, open;
    ticks = 0;
    signal(SIGUSR1, tick);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    printf("timer_create %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
    timer_settime(timer, 0, &once, NULL);
    while (!ticks)
        sigsuspend(&open);
    printf("timer ticked, delete %d\n", timer_delete(timer));

    /* More than once: on a busy machine the first signal can come before the nap. */
    interval = (struct itimerval){{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &interval, NULL);
    nap = (struct timespec){1000, 0};
    slept = nanosleep(&nap, &rest);
    printf("interrupted %d %d, rest %d\n", slept, errno == EINTR, rest.tv_sec > 900 && rest.tv_sec < 1000);
    interval = (struct itimerval){0};
    setitimer(ITIMER_REAL, &interval, NULL);

    struct timespec real, later, cpu;
    printf("clocks %d %d\n", clock_gettime(CLOCK_REALTIME, &real), clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu));
    printf("after 2020 %d\n", real.tv_sec > 1600000000);
    time_t now = time(NULL);
    clock_gettime(CLOCK_REALTIME, &later);
    printf("time agrees %d\n", now >= real.tv_sec - 1 && now <= later.tv_sec);
    interval = (struct itimerval){{0, 0}, {0, 30000}};
    ticks = 0;
    signal(SIGVTALRM, tick);
    setitimer(ITIMER_VIRTUAL, &interval, NULL);
    while (!ticks)
        ;
    puts("virtual timer");
}
