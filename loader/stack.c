/* The guest's first stack: mapped whole, and filled as the kernel would have. From the top down:
 *
 *   8 zero bytes, AT_EXECFN, environment strings, argument strings, (slide,) AT_PLATFORM, AT_RANDOM,
 *   auxv, envp, argv, argc  <- sp, 16-byte aligned
 */
#include "stack.h"
#include "elf.h"

#include <xemu/critical.h>
#include <xemu/features.h>
#include <xemu/guestmem.h>
#include <xemu/options.h>

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum {
    GUARD = 1 << 20, /* as far as the kernel keeps other mappings from a stack */
    ABOVE = 512 << 10,
    PLATFORM_SIZE = 8,
    RANDOM_SIZE = 16,
    MINSIGSTKSZ = 4720, /* the least signal frame that Linux/arm64 tells programs without SVE */
    AUXV_MAX = 24,
};

/* An unlimited stack still needs an end here. It costs address space only. */
static const uint64_t UNLIMITED_STACK = 1ull << 30;

static uint64_t stack_size(void)
{
    struct rlimit limit;
    if (options.stack_size)
        return page_up(options.stack_size);
    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur > UNLIMITED_STACK)
        return UNLIMITED_STACK;
    return page_up(limit.rlim_cur);
}

static int map_stack(struct guest_image *image)
{
    uint64_t size = stack_size();
    int prot = PROT_READ | PROT_WRITE | (image->stack_flags ? PROT_EXEC : 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    int64_t low = guest_mmap(0, GUARD + size + ABOVE, PROT_NONE, flags, -1, 0);
    if (low < 0)
        return low;
    uint64_t high = (uint64_t)low + GUARD + size;
    int64_t status = guest_mprotect((uint64_t)low + GUARD, size, prot);
    if (status == 0)
        status = guest_munmap(high, ABOVE);
    if (status < 0)
        return status;
    /* Nothing of the host's is to lie where the guest gets to when it writes past its stack. */
    mmap((void *)high, ABOVE, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    /* The first touch of a stack should cost a page, not two megabytes of zeros. */
    madvise((void *)(low + GUARD), size, MADV_NOHUGEPAGE);
    image->stack_low = low + GUARD;
    image->stack_high = high;
    return 0;
}

static size_t strings_size(char *const strings[], size_t *count)
{
    size_t size = 0, n = 0;
    for (; strings[n]; n++)
        size += strlen(strings[n]) + 1;
    *count = n;
    return size;
}

/* No guest runs yet: the stack is written through plain pointers. */
static uint64_t push(uint64_t sp, const void *data, size_t size)
{
    sp -= size;
    memcpy((void *)sp, data, size);
    return sp;
}

/* Writes the strings one after the other and their addresses, with a null behind, to `table`. */
static uint64_t write_strings(uint64_t at, uint64_t *table, char *const strings[])
{
    for (; *strings; strings++) {
        size_t size = strlen(*strings) + 1;
        memcpy((void *)at, *strings, size);
        *table++ = at;
        at += size;
    }
    *table = 0;
    return at;
}

struct pointers {
    uint64_t execfn, platform, random;
};

/* What the host's kernel says, if it does. */
static Elf64_auxv_t of_host(uint64_t type)
{
    uint64_t value = getauxval(type);
    return (Elf64_auxv_t){value ? type : AT_IGNORE, {value}};
}

static size_t fill_auxv(Elf64_auxv_t *auxv, const struct guest_image *image, unsigned phnum,
                        const struct pointers *at)
{
    const Elf64_auxv_t entries[AUXV_MAX] = {
        {image->vdso ? AT_SYSINFO_EHDR : AT_IGNORE, {image->vdso}},
        {AT_MINSIGSTKSZ, {MINSIGSTKSZ}},
        {AT_HWCAP, {cpu_hwcap()}},
        {AT_PAGESZ, {PAGE}},
        {AT_CLKTCK, {100}},
        {AT_PHDR, {image->phdr}},
        {AT_PHENT, {sizeof(Elf64_Phdr)}},
        {AT_PHNUM, {phnum}},
        {AT_BASE, {image->interp_base}},
        {AT_FLAGS, {0}},
        {AT_ENTRY, {image->program_entry}},
        {AT_UID, {getuid()}},
        {AT_EUID, {geteuid()}},
        {AT_GID, {getgid()}},
        {AT_EGID, {getegid()}},
        {AT_SECURE, {getauxval(AT_SECURE)}},
        {AT_RANDOM, {at->random}},
        {AT_HWCAP2, {cpu_hwcap2()}},
        of_host(AT_RSEQ_FEATURE_SIZE),
        of_host(AT_RSEQ_ALIGN),
        {AT_EXECFN, {at->execfn}},
        {AT_PLATFORM, {at->platform}},
        {AT_NULL, {0}},
    };
    size_t n = 0;
    for (size_t i = 0;; i++) {
        if (entries[i].a_type == AT_IGNORE)
            continue;
        auxv[n++] = entries[i];
        if (entries[i].a_type == AT_NULL)
            return n * sizeof *auxv;
    }
}

int stack_build(struct guest_image *image, char *const argv[], char *const envp[], unsigned phnum,
                uint64_t slide)
{
    int status = map_stack(image);
    if (status)
        return status;
    size_t argc, envc, args = strings_size(argv, &argc), envs = strings_size(envp, &envc);
    size_t execfn = strlen(image->execfn) + 1;
    size_t table = (1 + argc + 1 + envc + 1) * sizeof(uint64_t) + AUXV_MAX * sizeof(Elf64_auxv_t);
    size_t total = args + envs + execfn + table + slide + 2 * PAGE;
    if (total > image->stack_high - image->stack_low)
        return -E2BIG;

    struct pointers at;
    uint8_t random[RANDOM_SIZE];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -errno;
    at.execfn = push(image->stack_high - 8, image->execfn, execfn);
    image->env_end = at.execfn;
    image->env_start = image->arg_end = image->env_end - envs;
    image->arg_start = image->arg_end - args;
    uint64_t sp = (image->arg_start - slide) & -16ull;
    at.platform = sp = push(sp, "aarch64", PLATFORM_SIZE);
    at.random = sp = push(sp, random, RANDOM_SIZE);

    Elf64_auxv_t auxv[AUXV_MAX];
    image->auxv_size = fill_auxv(auxv, image, phnum, &at);
    uint64_t vectors = (1 + argc + 1 + envc + 1) * sizeof(uint64_t);
    sp = (sp - image->auxv_size - vectors) & -16ull;
    image->sp = sp;
    image->auxv = sp + vectors;
    memcpy((void *)image->auxv, auxv, image->auxv_size);
    uint64_t *words = (uint64_t *)sp;
    words[0] = argc;
    write_strings(image->arg_start, words + 1, argv);
    write_strings(image->env_start, words + 1 + argc + 1, envp);
    return 0;
}
