/* A system call without the C library: errno stays what it is. */
#ifndef XEMU_KERNEL_CALL_H
#define XEMU_KERNEL_CALL_H

#include <stdint.h>

/* Returns the result, or the negative errno. */
static inline int64_t kernel_call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
