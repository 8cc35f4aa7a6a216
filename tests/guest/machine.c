// arm64-only
/* What a program finds out about the machine is ARM64, consistently. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

int main(void)
{
    struct utsname name;
    unsigned long id, ctr, dczid, counter, frequency;
    uname(&name);
    if (strcmp(name.machine, "aarch64") != 0) {
        printf("uname says %s\n", name.machine);
        return 1;
    }
    asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
    asm volatile("mrs %0, dczid_el0" : "=r"(dczid));
    asm volatile("mrs %0, cntvct_el0" : "=r"(counter));
    asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    if (!ctr || !frequency || !counter) {
        printf("ctr %lx, counter %lu, frequency %lu\n", ctr, counter, frequency);
        return 1;
    }
    if (getauxval(AT_HWCAP) & 1 << 11) { /* CPUID: Linux lets programs read ID registers */
        asm volatile("mrs %0, id_aa64isar0_el1" : "=r"(id));
        int lse = id >> 20 & 15, says = !!(getauxval(AT_HWCAP) & 1 << 8);
        if ((lse >= 2) != says) {
            printf("atomics: ID_AA64ISAR0_EL1 says %d, AT_HWCAP %d\n", lse, says);
            return 1;
        }
    }
    if (!(dczid & 16)) {
        static char block[4096] __attribute__((aligned(2048)));
        memset(block, 1, sizeof block);
        asm volatile("dc zva, %0" : : "r"(block + 2048 + 5) : "memory");
        long size = 4L << (dczid & 15);
        for (long i = 0; i < 4096; i++) {
            if (block[i] != !(i >= 2048 && i < 2048 + size)) {
                printf("dc zva: byte %ld is %d\n", i, block[i]);
                return 1;
            }
        }
    }
    puts("ok");
    return 0;
}
