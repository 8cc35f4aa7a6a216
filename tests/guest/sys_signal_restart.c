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

/* Each signal feeds the pipe, so that a restarted read ends after the second. */
static void handler(int signo)
{
    if (++count == 2)
        write(waker[1], "x", 1);
}

static void start(int flags, int first_ms)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval timer = {{0, 20000}, {0, first_ms * 1000}};
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
    start(SA_RESTART, 20);
    CHECK(read(waker[0], &byte, 1), 1);
    CHECK(count >= 2, 1);
    start(0, 20);
    CHECK_ERRNO(read(waker[0], &byte, 1), EINTR);
    CHECK(count, 1);
    stop();
}

static void poll_and_sleep_never_restart(void)
{
    struct timespec long_time = {5, 0}, left = {0, 0};
    struct epoll_event event;
    int epoll = epoll_create1(0);
    start(SA_RESTART, 20);
    CHECK_ERRNO(poll(NULL, 0, 5000), EINTR);
    CHECK_ERRNO(nanosleep(&long_time, &left), EINTR);
    CHECK(left.tv_sec, 4);
    CHECK_ERRNO(epoll_wait(epoll, &event, 1, 5000), EINTR);
    CHECK_ERRNO(pause(), EINTR);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left), EINTR);
    stop();
    close(epoll);
}

static void wait_restarts(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(70000);
        _exit(7);
    }
    int status;
    start(SA_RESTART, 20);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(WEXITSTATUS(status), 7);
    CHECK(count >= 2, 1);
    stop();
}

static void sockets_with_a_timeout_do_not(void)
{
    int pair[2];
    char byte;
    struct timeval limit = {5, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    start(SA_RESTART, 20);
    CHECK_ERRNO(recv(pair[0], &byte, 1, 0), EINTR);
    stop();
    close(pair[0]);
    close(pair[1]);
}

static void a_stop_is_not_seen(void)
{
    int status;
    struct timespec start_time, end, nap = {0, 150000000};
    pid_t pid = fork();
    if (pid == 0) {
        clock_gettime(CLOCK_MONOTONIC, &start_time);
        int result = nanosleep(&nap, NULL);
        clock_gettime(CLOCK_MONOTONIC, &end);
        _exit(result != 0);
    }
    usleep(30000);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, 1);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status), 1);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(status, 0);
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
