/* System calls to the host, without libc between: no errno, and no window in which a signal gets lost. */
#ifndef SYSCALL_HOST_H
#define SYSCALL_HOST_H

#include <xemu/cpu.h>
#include <xemu/kernel_call.h>

#include <stdint.h>

/* Results that are no results (both are outside of what a kernel returns to user space). */
enum {
    RESULT_RESTART = -512, /* not executed: the guest's SVC is to be repeated after the pending signals */
    RESULT_NONE = -513     /* the handler has set up the whole cpu, pc and x0 included */
};

/* Makes the call on behalf of the guest on this thread, unless cpu->stop is set or a signal arrives before
 * the kernel has begun, or the kernel itself wants a restart: RESULT_RESTART. A handler that gets this value
 * must return it and must not have changed anything before. */
int64_t host_call(long number, const uint64_t args[6]);

/* What makes it, in assembly: with general registers only. */
int64_t host_call_stub(const volatile uint32_t *stop, long number, const uint64_t args[6]);

/* The same with the arguments spelled out. */
#define HOST_CALL(number, ...) host_call(number, (const uint64_t[6]){__VA_ARGS__})

/* Makes a call of xemu's own that signals don't touch: never RESULT_RESTART, but -EINTR is possible. */
static inline int64_t host_raw6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                uint64_t f)
{
    return kernel_call6(number, a, b, c, d, e, f);
}
static inline int64_t host_raw(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return host_raw6(number, a, b, c, d, 0, 0);
}

/* For the host's signal handler: when *ucontext was interrupted inside host_call() before the kernel had done
 * anything for good, moves it to where host_call() returns RESULT_RESTART (or -EINTR for a call that the
 * kernel would only resume). */
void host_call_rewind(void *ucontext);

/* The same for a signal that the guest is not to notice: a call that the kernel has ended for it, with EINTR, is
 * made again from the guest's SVC. */
void host_call_repeat(void *ucontext);

#endif
