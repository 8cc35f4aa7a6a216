/* What programs share that measure by themselves: the cost of one operation, as a line "@NAME NANOSECONDS ns" that the
 * lab takes for a figure and leaves out when it compares outputs. */
#ifndef SUITE_H
#define SUITE_H

#include "kernel.h"

#include <sys/resource.h>
#include <time.h>

/* CPU time of the process and its waited-for children, in nanoseconds. */
static inline double suite_cpu_ns(void)
{
    struct timespec own;
    struct rusage children;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)own.tv_sec * 1e9 + (double)own.tv_nsec +
           (double)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e9 +
           (double)(children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1e3;
}

static inline void suite_metric(const char *name, double ns) { printf("@%s %.3f ns\n", name, ns); }

#endif
