/* setjmp and longjmp over a few frames: returns that are not paired with calls. */
#include "kernel.h"

#include <setjmp.h>

static jmp_buf buffer;

static uint64_t __attribute__((noinline)) descend(int depth, uint64_t n)
{
    if (depth == 0 && n != 0)
        longjmp(buffer, (int)(n & 7) + 1);
    return n ? descend(depth - 1, n) + 1 : 0;
}

int main(int argc, char **argv)
{
    static uint64_t sum; /* lives through the jumps */
    static long step;
    for (step = kernel_count(argc, argv, 24000000); step > 0; step--) {
        int got = setjmp(buffer);
        if (got == 0)
            sum += descend((int)(step & 7), (uint64_t)step);
        sum = kernel_mix(sum, (uint64_t)got);
    }
    return kernel_done(sum);
}
