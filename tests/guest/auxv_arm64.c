// arm64-only
// dynamic
/* The parts of the auxiliary vector that only ARM64 has. */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static int failed;

static void expect(int condition, const char *what)
{
    if (!condition) {
        printf("wrong: %s\n", what);
        failed = 1;
    }
}

int main(void)
{
    enum { FP = 1, ASIMD = 2 };
    expect(strcmp((const char *)getauxval(AT_PLATFORM), "aarch64") == 0, "AT_PLATFORM");
    expect((getauxval(AT_HWCAP) & (FP | ASIMD)) == (FP | ASIMD), "AT_HWCAP");
    expect(getauxval(51 /* AT_MINSIGSTKSZ */) >= 4720, "AT_MINSIGSTKSZ");
    const Elf64_Phdr *phdr = (const Elf64_Phdr *)getauxval(AT_PHDR);
    expect(phdr != NULL, "AT_PHDR");
    int loads = 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        loads += phdr[i].p_type == PT_LOAD;
    expect(loads > 0, "AT_PHNUM");
    expect(getauxval(AT_ENTRY) != 0, "AT_ENTRY");
    if (!failed)
        puts("ok");
    return failed;
}
