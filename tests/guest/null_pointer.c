/* Dies of SIGSEGV, as the one who waits for it must see. */
#include <stdio.h>
int main(void)
{
    puts("before");
    fflush(stdout);
    *(volatile int *)0 = 1;
    puts("after");
}
