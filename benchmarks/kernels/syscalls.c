/* Short system calls that need no conversion. */
#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long step = kernel_count(argc, argv, 1500000); step > 0; step--)
        sum += syscall(SYS_getppid) > 0;
    return kernel_done(sum);
}
