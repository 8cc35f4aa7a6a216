/* Delivery of signals that a program sends itself, with handler and return. */
#include "kernel.h"

#include <signal.h>

static volatile uint64_t count;

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)context;
    count += (uint64_t)(signo + (info->si_signo == signo));
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    for (long step = kernel_count(argc, argv, 70000); step > 0; step--)
        raise(SIGUSR1);
    return kernel_done(count);
}
