/* Which function of an ELF file an address belongs to: for reports of crashes. */
#include <xemu/loader.h>

#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The virtual address of a byte of the file; false if no segment maps it. */
static bool address_of(Elf *elf, uint64_t offset, uint64_t *address)
{
    const Elf64_Ehdr *header = elf64_getehdr(elf);
    const Elf64_Phdr *ph = header ? elf64_getphdr(elf) : NULL;
    for (unsigned i = 0; ph && i < header->e_phnum; i++) {
        uint64_t start = ph[i].p_offset & -4096ull; /* whole pages are mapped */
        if (ph[i].p_type != PT_LOAD || offset < start || offset >= ph[i].p_offset + ph[i].p_filesz)
            continue;
        *address = offset - ph[i].p_offset + ph[i].p_vaddr;
        return true;
    }
    return false;
}

/* Functions, and what assembly code leaves without a type; not the marks of code and data ($x, $d). */
static bool names_code(const Elf64_Sym *symbol, const char *name)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && name && name[0] && name[0] != '$' &&
           (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

/* Takes the nearest symbol at or below the address whose size, if it tells one, reaches it. */
static void search(Elf *elf, Elf_Scn *section, uint64_t address, struct elf_symbol *best)
{
    const Elf64_Shdr *header = elf64_getshdr(section);
    const Elf_Data *data = elf_getdata(section, NULL);
    const Elf64_Sym *symbols = data ? data->d_buf : NULL;
    for (size_t i = 0; symbols && i < data->d_size / sizeof *symbols; i++) {
        const Elf64_Sym *symbol = &symbols[i];
        uint64_t offset = address - symbol->st_value;
        if (symbol->st_value > address || offset >= best->offset ||
            (symbol->st_size && offset >= symbol->st_size))
            continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol->st_name);
        if (!names_code(symbol, name))
            continue;
        best->offset = offset;
        snprintf(best->name, sizeof best->name, "%s", name);
    }
}

bool elf_find_symbol(const char *path, uint64_t offset, struct elf_symbol *found)
{
    uint64_t address;
    found->offset = UINT64_MAX;
    elf_version(EV_CURRENT);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF && address_of(elf, offset, &address)) {
        for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
            const Elf64_Shdr *header = elf64_getshdr(section);
            if (header && (header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM))
                search(elf, section, address, found);
        }
    }
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return found->offset != UINT64_MAX;
}
