/* Which function of an ELF file an address belongs to: and the other way round. */
#include <xemu/loader.h>

#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
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
        best->size = symbol->st_size;
        snprintf(best->name, sizeof best->name, "%s", name);
    }
}

/* Files that stay open because more questions come. */
static struct kept {
    char *path; /* null: a free place */
    Elf *elf;
    int fd;
} kept[8];
enum { KEPT_MAX = sizeof kept / sizeof *kept };
static bool keeping;

static const struct kept *find_kept(const char *path)
{
    for (int i = 0; i < KEPT_MAX; i++)
        if (kept[i].path && strcmp(kept[i].path, path) == 0)
            return &kept[i];
    return NULL;
}

static void keep(const char *path, Elf *elf, int fd)
{
    int i = 0;
    while (i < KEPT_MAX && kept[i].path)
        i++;
    if (keeping && i < KEPT_MAX)
        kept[i] = (struct kept){strdup(path), elf, fd};
}

/* Null: not an ELF file, or it cannot be read. *fd is to be closed in any case. */
static Elf *open_elf(const char *path, int *fd)
{
    const struct kept *before = find_kept(path);
    if (before) {
        *fd = before->fd;
        return before->elf;
    }
    elf_version(EV_CURRENT);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    Elf *elf = *fd < 0 ? NULL : elf_begin(*fd, ELF_C_READ_MMAP, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        keep(path, elf, *fd);
        return elf;
    }
    elf_end(elf);
    return NULL;
}

static void close_elf(Elf *elf, int fd)
{
    for (int i = 0; i < KEPT_MAX; i++)
        if (elf && kept[i].path && kept[i].elf == elf)
            return;
    elf_end(elf);
    if (fd >= 0)
        close(fd);
}

void elf_keep_files(bool on)
{
    keeping = on;
    for (int i = 0; !on && i < KEPT_MAX; i++) {
        struct kept file = kept[i];
        kept[i].path = NULL;
        if (file.path)
            close_elf(file.elf, file.fd);
        free(file.path);
    }
}

static Elf_Scn *next_table(Elf *elf, Elf_Scn *section)
{
    while ((section = elf_nextscn(elf, section))) {
        const Elf64_Shdr *header = elf64_getshdr(section);
        if (header && (header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM))
            return section;
    }
    return NULL;
}

bool elf_find_symbol(const char *path, uint64_t offset, struct elf_symbol *found)
{
    uint64_t address;
    int fd;
    Elf *elf = open_elf(path, &fd);
    found->offset = UINT64_MAX;
    if (elf && address_of(elf, offset, &address))
        for (Elf_Scn *section = NULL; (section = next_table(elf, section));)
            search(elf, section, address, found);
    close_elf(elf, fd);
    return found->offset != UINT64_MAX;
}

/* --- by name ------------------------------------------------------------------------------------------ */

/* The place in the file of a virtual address; false if it is not from the file. */
static bool offset_of(Elf *elf, uint64_t address, uint64_t *offset)
{
    const Elf64_Ehdr *header = elf64_getehdr(elf);
    const Elf64_Phdr *ph = header ? elf64_getphdr(elf) : NULL;
    for (unsigned i = 0; ph && i < header->e_phnum; i++) {
        if (ph[i].p_type != PT_LOAD || address < ph[i].p_vaddr || address - ph[i].p_vaddr >= ph[i].p_filesz)
            continue;
        *offset = address - ph[i].p_vaddr + ph[i].p_offset;
        return true;
    }
    return false;
}

/* The lowest address above this one that a symbol of code has; 0: none. */
static uint64_t next_symbol(Elf *elf, uint64_t address)
{
    uint64_t next = 0;
    for (Elf_Scn *section = NULL; (section = next_table(elf, section));) {
        const Elf_Data *data = elf_getdata(section, NULL);
        const Elf64_Sym *symbols = data ? data->d_buf : NULL;
        for (size_t i = 0; symbols && i < data->d_size / sizeof *symbols; i++)
            if (symbols[i].st_value > address && (!next || symbols[i].st_value < next))
                next = symbols[i].st_value;
    }
    return next;
}

static bool add_range(Elf *elf, const Elf64_Sym *symbol, struct elf_range *found, size_t count)
{
    uint64_t start, size = symbol->st_size;
    if (!offset_of(elf, symbol->st_value, &start))
        return false;
    for (size_t i = 0; i < count; i++)
        if (found[i].start == start) /* in both tables */
            return false;
    uint64_t next = size ? 0 : next_symbol(elf, symbol->st_value);
    size = size ? size : next ? next - symbol->st_value : 4;
    found[count] = (struct elf_range){start, start + size};
    return true;
}

size_t elf_find_function(const char *path, const char *name, struct elf_range *found, size_t room)
{
    int fd;
    size_t count = 0;
    Elf *elf = open_elf(path, &fd);
    for (Elf_Scn *section = NULL; elf && (section = next_table(elf, section));) {
        const Elf_Data *data = elf_getdata(section, NULL);
        const Elf64_Sym *symbols = data ? data->d_buf : NULL;
        uint32_t names = elf64_getshdr(section)->sh_link;
        for (size_t i = 0; symbols && i < data->d_size / sizeof *symbols && count < room; i++) {
            const char *is = elf_strptr(elf, names, symbols[i].st_name);
            if (names_code(&symbols[i], is) && strcmp(is, name) == 0)
                count += add_range(elf, &symbols[i], found, count);
        }
    }
    close_elf(elf, fd);
    return count;
}
