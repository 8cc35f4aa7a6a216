/* Which calls go on after a handler and which end with EINTR; and that no signal falls into the gap before a
 * call. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static volatile int count;
static int waker[2];

static void handler(int signo) { count++; }

/* The second signal feeds the pipe, so that a restarted read ends after it. */
static void waking_handler(int signo)
{
    if (++count == 2)
        write(waker[1], "x", 1);
}

static void start(void (*with)(int), int flags, int interval_ms)
{
    struct sigaction action = {.sa_handler = with, .sa_flags = flags};
    struct itimerval timer = {{interval_ms / 1000, interval_ms % 1000 * 1000}, {0, 20000}};
    count = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void stop(void)
{
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
}

static void read_restarts_or_not(void)
{
    char byte;
    start(waking_handler, SA_RESTART, 20);
    CHECK(read(waker[0], &byte, 1), 1);
    CHECK(count >= 2, 1);
    stop();
    /* On a busy machine the first signal can come before the read; then the next one ends it. */
    for (int attempt = 0; attempt < 10 && count != 1; attempt++) {
        start(handler, 0, 1000);
        CHECK_ERRNO(read(waker[0], &byte, 1), EINTR);
        stop();
    }
    CHECK(count, 1);
}

static void poll_and_sleep_never_restart(void)
{
    struct timespec long_time = {1000, 0}, left = {0, 0};
    struct epoll_event event;
    int epoll = epoll_create1(0);
    start(handler, SA_RESTART, 20);
    CHECK_ERRNO(poll(NULL, 0, 1000000), EINTR);
    CHECK_ERRNO(nanosleep(&long_time, &left), EINTR);
    CHECK(left.tv_sec > 900 && left.tv_sec < 1000, 1);
    CHECK_ERRNO(epoll_wait(epoll, &event, 1, 1000000), EINTR);
    CHECK_ERRNO(pause(), EINTR);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left), EINTR);
    stop();
    close(epoll);
}

static void wait_restarts(void)
{
    char byte;
    pid_t pid = fork();
    if (pid == 0)
        _exit(read(waker[0], &byte, 1) == 1 ? 7 : 8);
    int status;
    start(waking_handler, SA_RESTART, 20);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(WEXITSTATUS(status), 7);
    CHECK(count >= 2, 1);
    stop();
}

static void sockets_with_a_timeout_do_not(void)
{
    int pair[2];
    char byte;
    struct timeval limit = {1000, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    start(handler, SA_RESTART, 20);
    CHECK_ERRNO(recv(pair[0], &byte, 1, 0), EINTR);
    stop();
    close(pair[0]);
    close(pair[1]);
}

/* The child ends only when the parent has seen it stop and go on, however long that takes. */
static void a_stop_is_not_seen(void)
{
    int status, go[2];
    char byte;
    struct timespec nap = {0, 150000000};
    pipe(go);
    pid_t pid = fork();
    if (pid == 0) {
        int result = nanosleep(&nap, NULL);
        _exit(result != 0 || read(go[0], &byte, 1) != 1);
    }
    usleep(30000);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, 1);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status), 1);
    write(go[1], "x", 1);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(status, 0);
    close(go[0]);
    close(go[1]);
}

/* Without a safe window a wake-up is lost sooner or later and the read sleeps for good. */
static void storms_lose_nothing(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 200}, {0, 200}};
    sigaction(SIGALRM, &action, NULL);
    count = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
    int pipes[2], echoed = 0;
    char byte;
    pipe(pipes);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 2000; i++)
            write(pipes[1], "y", 1);
        _exit(0);
    }
    close(pipes[1]);
    while (read(pipes[0], &byte, 1) == 1)
        echoed++;
    CHECK(echoed, 2000);
    while (count < 50)
        ;
    stop();
    waitpid(pid, NULL, 0);
}

int main(void)
{
    pipe(waker);
    read_restarts_or_not();
    poll_and_sleep_never_restart();
    wait_restarts();
    sockets_with_a_timeout_do_not();
    a_stop_is_not_seen();
    storms_lose_nothing();
    return check_end();
}
