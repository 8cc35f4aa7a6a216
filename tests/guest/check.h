/* Checks for programs that know themselves what is right: every run, native or not, must print just "ok". */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int check_failures;

/* Compares as long; shows both texts and values. */
#define CHECK(expression, want)                                                                              \
    do {                                                                                                     \
        long check_got = (long)(expression), check_want = (long)(want);                                      \
        if (check_got != check_want && check_failures++ < 10)                                                \
            printf("%s:%d: %s is %ld, not %ld (%s); errno %d\n", __FILE__, __LINE__, #expression, check_got, \
                   check_want, #want, errno);                                                                \
    } while (0)

/* A call that must fail with this errno. */
#define CHECK_ERRNO(expression, want)                  \
    do {                                               \
        errno = 0;                                     \
        CHECK((long)(expression), -1);                 \
        CHECK(errno, want);                            \
    } while (0)

static int check_end(void)
{
    if (!check_failures)
        puts("ok");
    fflush(stdout);
    return check_failures != 0;
}

/* Runs part(arg) in a child; its wait status. */
static int in_child(void (*part)(void *), void *arg)
{
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        part(arg);
        fflush(stdout);
        _exit(check_failures != 0);
    }
    waitpid(pid, &status, 0);
    return status;
}

#endif
