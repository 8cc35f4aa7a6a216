/* getrandom: the system call, and the vDSO's function of that name, which draws from memory that the C
 * library keeps for each thread. The host's vDSO does the work, on the guest's memory: both architectures
 * share its layout. */
#include <xemu/fault.h>
#include <xemu/sys.h>

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/types.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

/* vdso_read() of the kernel's lib/vdso/getrandom.c: bytes, or -errno. */
typedef ssize_t vdso_getrandom(void *buffer, size_t bytes, unsigned flags, void *state, size_t state_bytes);

static const void *find_in_vdso(const char *name)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR), *names = NULL;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *segment = base ? (const Elf64_Phdr *)(base + header->e_phoff) : NULL;
    const Elf64_Sym *symbols = NULL;
    const uint32_t *hash = NULL; /* buckets, symbols */
    const Elf64_Dyn *dynamic = NULL;
    for (int i = 0; base && i < header->e_phnum; i++) {
        if (segment[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(base + segment[i].p_offset);
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const char *at = base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_STRTAB)
            names = at;
        else if (dynamic->d_tag == DT_SYMTAB)
            symbols = (const Elf64_Sym *)at;
        else if (dynamic->d_tag == DT_HASH)
            hash = (const uint32_t *)at;
    }
    for (uint32_t i = 1; names && symbols && hash && i < hash[1]; i++) {
        if (symbols[i].st_shndx != SHN_UNDEF && !strcmp(names + symbols[i].st_name, name))
            return base + symbols[i].st_value;
    }
    return NULL;
}

static vdso_getrandom *host_function(void)
{
    static vdso_getrandom *function;
    static bool looked;
    if (!looked) {
        const void *found = find_in_vdso("__vdso_getrandom");
        memcpy(&function, &found, sizeof function);
        looked = true;
    }
    return function;
}

bool sys_has_vdso_getrandom(void) { return host_function() != NULL; }

struct request {
    const uint64_t *args;
    ssize_t result;
};

static void ask_host(void *arg)
{
    struct request *request = arg;
    const uint64_t *args = request->args;
    request->result = host_function()((void *)guest_untag(args[0]), args[1], (unsigned)args[2],
                                      (void *)guest_untag(args[3]), args[4]);
}

int64_t sys_getrandom(struct cpu *cpu, const uint64_t args[6])
{
    struct request request = {args, 0};
    bool from_vdso = cpu->pc - guest_image.vdso < VDSO_SIZE;
    if (!from_vdso || !host_function())
        return host_call(SYS_getrandom, args);
    return guest_try(ask_host, &request) ? -EFAULT : request.result;
}
