/* Threads of the host. With its first one the C library takes a signal for itself, for its own setuid(),
 * which xemu doesn't use: handler and mask change. All signals are the guest's; its C library does just the
 * same before its first thread, so that the guest's action is there already. */
#include <xemu/host_thread.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LIBRARY_SIGNAL = 33, SET_SIZE = 8, WAITING = 16 };

static int first_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
    struct {
        uint64_t handler, flags, restorer, mask;
    } guests;
    siginfo_t waiting[WAITING]; /* are kept from the library's handler */
    uint64_t mask, signal = 1ull << (LIBRARY_SIGNAL - 1);
    struct timespec now = {0};
    int count = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &signal, &mask, SET_SIZE);
    while (count < WAITING && syscall(SYS_rt_sigtimedwait, &signal, &waiting[count], &now, SET_SIZE) > 0)
        count++;
    syscall(SYS_rt_sigaction, LIBRARY_SIGNAL, NULL, &guests, SET_SIZE);
    int error = pthread_create(thread, attr, main, arg);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &signal, NULL, SET_SIZE);
    syscall(SYS_rt_sigaction, LIBRARY_SIGNAL, &guests, NULL, SET_SIZE);
    for (int i = 0; i < count; i++)
        syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), LIBRARY_SIGNAL, &waiting[i]);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SET_SIZE);
    return error;
}

int host_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
    static bool is_taken; /* the first comes when there are no others */
    if (is_taken)
        return pthread_create(thread, attr, main, arg);
    is_taken = true;
    return first_thread(thread, attr, main, arg);
}
