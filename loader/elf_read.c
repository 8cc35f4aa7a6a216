/* Reads and checks ELF headers. The file may be hostile: nothing is believed before it was checked, and
 * nothing is mapped here. */
#include "elf.h"

#include <xemu/guestmem.h>

#include <errno.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel reads at most this many bytes of program headers. */
enum { PHDRS_MAX = 65536 };

static int bad(struct elf_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct elf_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return -ENOEXEC;
}

/* The architectures that people try by mistake, and what to do. */
static int wrong_machine(unsigned machine, struct elf_error *error)
{
    static const struct {
        unsigned machine;
        const char *text;
    } known[] = {
        {EM_X86_64, "is an x86-64 program: run it directly"},
        {EM_386, "is a 32-bit x86 program: run it directly"},
        {EM_ARM, "is a 32-bit ARM program: xemu runs 64-bit ARM programs only"},
        {EM_RISCV, "is a RISC-V program: xemu runs ARM64 programs only"},
        {EM_PPC64, "is a POWER program: xemu runs ARM64 programs only"},
        {EM_S390, "is an S/390 program: xemu runs ARM64 programs only"},
        {EM_MIPS, "is a MIPS program: xemu runs ARM64 programs only"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].machine == machine)
            return bad(error, "%s", known[i].text);
    return bad(error, "is for another machine (ELF machine %u): xemu runs ARM64 programs only", machine);
}

/* The fields up to e_machine, which lie at the same place in every ELF file but may be in either byte order.
 */
static int check_identity(int fd, struct elf_error *error)
{
    unsigned char id[20];
    ssize_t got = pread(fd, id, sizeof id, 0);
    if (got < 0)
        return -errno;
    if (got < SELFMAG || memcmp(id, ELFMAG, SELFMAG) != 0)
        return bad(error, "is not an ELF program");
    if (got < (ssize_t)sizeof id)
        return bad(error, "is a truncated ELF file");
    bool big = id[EI_DATA] == ELFDATA2MSB;
    unsigned machine = big ? id[18] << 8 | id[19] : id[19] << 8 | id[18];
    if (machine != EM_AARCH64)
        return wrong_machine(machine, error);
    if (big)
        return bad(error, "is a big-endian ARM64 program: xemu runs little-endian ones only");
    if (id[EI_DATA] != ELFDATA2LSB)
        return bad(error, "has an unknown byte order in its ELF header");
    if (id[EI_CLASS] != ELFCLASS64)
        return bad(error, "is an ILP32 program: xemu runs LP64 ARM64 programs only");
    return 0;
}

static int check_header(const Elf64_Ehdr *header, struct elf_error *error)
{
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
        return bad(error, "is no program: %s",
                   header->e_type == ET_REL    ? "it is an object file that was not linked"
                   : header->e_type == ET_CORE ? "it is a core dump"
                                               : "its ELF type is unknown");
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return bad(error, "has program headers of a wrong size (%u bytes)", header->e_phentsize);
    if (header->e_phnum == 0 || header->e_phnum > PHDRS_MAX / sizeof(Elf64_Phdr))
        return bad(error, "has a wrong number of program headers (%u)", header->e_phnum);
    return 0;
}

static int segment_prot(unsigned flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

static int add_load(struct elf_file *elf, const Elf64_Phdr *ph, uint64_t file_size, struct elf_error *error)
{
    if (ph->p_memsz == 0)
        return 0;
    if (ph->p_filesz > ph->p_memsz)
        return bad(error, "has a segment at %#lx that is larger in the file than in memory", ph->p_vaddr);
    if (ph->p_vaddr >= GUEST_END || ph->p_memsz > GUEST_END - ph->p_vaddr)
        return bad(error, "has a segment at %#lx that does not fit into the address space", ph->p_vaddr);
    if (ph->p_filesz && (ph->p_offset > file_size || ph->p_filesz > file_size - ph->p_offset))
        return bad(error, "is truncated: the segment at %#lx goes on after the end of the file", ph->p_vaddr);
    if (ph->p_filesz && (ph->p_offset ^ ph->p_vaddr) % PAGE)
        return bad(error, "has a segment at %#lx whose file offset is not aligned with it", ph->p_vaddr);
    if (ph->p_align & (ph->p_align - 1))
        return bad(error, "has a segment at %#lx whose alignment is not a power of two", ph->p_vaddr);
    if (elf->segments == sizeof elf->segment / sizeof *elf->segment)
        return bad(error, "has more than %zu segments", elf->segments);
    if (elf->segments) {
        const struct elf_segment *before = &elf->segment[elf->segments - 1];
        if (ph->p_vaddr < before->vaddr + before->memsz)
            return bad(error, "has overlapping or unordered segments (%#lx)", ph->p_vaddr);
    } else {
        elf->low = page_down(ph->p_vaddr);
    }
    elf->segment[elf->segments++] =
        (struct elf_segment){ph->p_offset, ph->p_vaddr, ph->p_filesz, ph->p_memsz, segment_prot(ph->p_flags)};
    elf->high = page_up(ph->p_vaddr + ph->p_memsz);
    if (ph->p_align > elf->align)
        elf->align = ph->p_align;
    return 0;
}

static int read_interp(struct elf_file *elf, int fd, const Elf64_Phdr *ph, struct elf_error *error)
{
    if (elf->interp[0])
        return bad(error, "names two ELF interpreters");
    if (ph->p_filesz < 2 || ph->p_filesz > sizeof elf->interp)
        return bad(error, "has an ELF interpreter's name of a wrong length (%lu)", ph->p_filesz);
    if (ph->p_offset > INT64_MAX ||
        pread(fd, elf->interp, ph->p_filesz, ph->p_offset) != (ssize_t)ph->p_filesz)
        return bad(error, "is truncated: the name of its ELF interpreter is missing");
    if (elf->interp[0] == 0 || memchr(elf->interp, 0, ph->p_filesz) != elf->interp + ph->p_filesz - 1)
        return bad(error, "has a malformed ELF interpreter's name");
    return 0;
}

/* Kernels since 5.18 look for the headers in the segments instead of trusting PT_PHDR. */
static void find_phdrs(struct elf_file *elf, const Elf64_Ehdr *header)
{
    uint64_t size = header->e_phnum * sizeof(Elf64_Phdr);
    elf->phnum = header->e_phnum;
    for (size_t i = 0; i < elf->segments; i++) {
        const struct elf_segment *segment = &elf->segment[i];
        uint64_t inside = header->e_phoff - segment->offset;
        if (header->e_phoff >= segment->offset && size <= segment->filesz &&
            inside <= segment->filesz - size) {
            elf->phdr = segment->vaddr + inside;
            return;
        }
    }
}

static bool entry_executable(const struct elf_file *elf)
{
    for (size_t i = 0; i < elf->segments; i++) {
        const struct elf_segment *segment = &elf->segment[i];
        if (elf->entry - segment->vaddr < segment->memsz)
            return (segment->prot & PROT_EXEC) != 0;
    }
    return false;
}

static int read_headers(struct elf_file *elf, int fd, Elf *handle, uint64_t file_size,
                        struct elf_error *error)
{
    const Elf64_Ehdr *header = elf64_getehdr(handle);
    if (!header)
        return bad(error, "has a broken ELF header");
    int status = check_header(header, error);
    if (status)
        return status;
    const Elf64_Phdr *ph = elf64_getphdr(handle), *property = NULL;
    if (!ph)
        return bad(error, "is truncated: its program headers are missing");
    for (unsigned i = 0; i < header->e_phnum && status == 0; i++) {
        if (ph[i].p_type == PT_LOAD)
            status = add_load(elf, &ph[i], file_size, error);
        else if (ph[i].p_type == PT_INTERP)
            status = read_interp(elf, fd, &ph[i], error);
        else if (ph[i].p_type == PT_GNU_STACK)
            elf->exec_stack = (ph[i].p_flags & PF_X) != 0;
        else if (ph[i].p_type == PT_GNU_PROPERTY)
            property = &ph[i];
    }
    if (status)
        return status;
    if (!elf->segments)
        return bad(error, "has nothing to load");
    /* An interpreter guards the program's pages itself. */
    if (property && !elf->interp[0] && !elf_property_read(fd, property->p_offset, property->p_filesz, &elf->guarded))
        return bad(error, "has a damaged note of GNU properties");
    elf->fixed = header->e_type == ET_EXEC;
    elf->entry = header->e_entry;
    find_phdrs(elf, header);
    if (!entry_executable(elf))
        return bad(error, "has its entry point (%#lx) outside its code", elf->entry);
    return 0;
}

int elf_read(struct elf_file *elf, int fd, struct elf_error *error)
{
    struct stat st;
    memset(elf, 0, sizeof *elf);
    elf->align = PAGE;
    int status = check_identity(fd, error);
    if (status)
        return status;
    if (fstat(fd, &st) < 0)
        return -errno;
    elf_version(EV_CURRENT);
    Elf *handle = elf_begin(fd, ELF_C_READ, NULL);
    if (!handle || elf_kind(handle) != ELF_K_ELF)
        status = bad(error, "has a broken ELF header");
    else
        status = read_headers(elf, fd, handle, st.st_size, error);
    elf_end(handle);
    return status;
}
