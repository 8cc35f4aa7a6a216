/* fork and wait. */
#include "kernel.h"

#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long step = kernel_count(argc, argv, 1500); step > 0; step--) {
        pid_t child = fork();
        if (child == 0)
            _exit((int)step & 127);
        int status = 0;
        waitpid(child, &status, 0);
        sum = kernel_mix(sum, (uint64_t)WEXITSTATUS(status));
    }
    return kernel_done(sum);
}
