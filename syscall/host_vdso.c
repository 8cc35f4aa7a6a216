/* The host's vDSO: its functions by their names, and what they do to registers. */
#include "host_vdso.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

const void *host_vdso_symbol(const char *name)
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

/* ---- the clock ---- */

host_clock *host_clock_gettime;

void host_clock_find(void)
{
    const void *found = host_vdso_symbol("__vdso_clock_gettime");
    memcpy(&host_clock_gettime, &found, sizeof found);
}

/* int clock_with_vectors(host_clock *function, clockid_t clock, struct timespec *now, unsigned char vectors[256])
 * Calls the function with xmm0 to xmm15 filled from there, and stores them there. */
__asm__(".pushsection .text\n"
        ".type clock_with_vectors, @function\n"
        "clock_with_vectors:\n"
        "    push %rbx\n"
        "    mov %rcx, %rbx\n"
        "    mov %rdi, %rax\n"
        "    mov %esi, %edi\n"
        "    mov %rdx, %rsi\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movups 16 * \\n(%rbx), %xmm\\n\n"
        ".endr\n"
        "    call *%rax\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movups %xmm\\n, 16 * \\n(%rbx)\n"
        ".endr\n"
        "    pop %rbx\n"
        "    ret\n"
        ".size clock_with_vectors, . - clock_with_vectors\n"
        ".popsection\n");
int clock_with_vectors(host_clock *function, clockid_t clock, struct timespec *now, unsigned char vectors[256]);

bool host_clock_keeps_vectors(clockid_t clock)
{
    unsigned char vectors[256];
    struct timespec now;
    for (int i = 0; i < 256; i++)
        vectors[i] = (unsigned char)(i * 7 + 3);
    if (!host_clock_gettime || clock_with_vectors(host_clock_gettime, clock, &now, vectors))
        return false;
    for (int i = 0; i < 256; i++) {
        if (vectors[i] != (unsigned char)(i * 7 + 3))
            return false;
    }
    return true;
}
