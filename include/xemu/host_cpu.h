/* What the host's CPU has, as the C library has found out. GCC's __builtin_cpu_supports() would ask again, at every start:
 * in a virtual machine each of its 15 CPUIDs is a way to the hypervisor and back, 10 us. */
#ifndef XEMU_HOST_CPU_H
#define XEMU_HOST_CPU_H

#include <stdbool.h>
#include <sys/platform/x86.h>

/* A feature by its name there, usable also as far as the operating system has a say. The header's own macro shifts into
 * the sign, which a sanitizer minds. */
#define HOST_CPU_HAS(name) host_cpu_has(x86_cpu_##name)

static inline bool host_cpu_has(unsigned feature)
{
    const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(feature / 128);
    return leaf->active_array[feature / 32 % 4] >> feature % 32 & 1;
}

#endif
