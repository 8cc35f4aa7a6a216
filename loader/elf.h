/* ELF files inside the loader: read and checked first (elf_read), then mapped (elf_map). */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096 };

static inline uint64_t page_down(uint64_t n) { return n & -(uint64_t)PAGE; }
static inline uint64_t page_up(uint64_t n) { return (n + PAGE - 1) & -(uint64_t)PAGE; }

/* A PT_LOAD: file bytes [offset, offset + filesz) at vaddr, zeros up to vaddr + memsz. */
struct elf_segment {
    uint64_t offset, vaddr, filesz, memsz;
    int prot;
};

/* What elf_read() found; all of it is checked: segments ascend without overlap, vaddr and offset agree within
 * the page, everything ends below GUEST_END, the file part lies inside the file. */
struct elf_file {
    bool fixed;     /* ET_EXEC: runs only where it was linked to */
    uint64_t entry; /* virtual address, inside an executable segment */
    uint64_t phdr;  /* virtual address of the program headers, 0 if no segment holds them */
    uint16_t phnum;
    uint64_t low, high;    /* the span of all segments, whole pages */
    uint64_t align;        /* greatest alignment that a segment asks for, at least a page */
    bool exec_stack;       /* PT_GNU_STACK asks for one */
    bool guarded;          /* PT_GNU_PROPERTY says that the code may be GUEST_PROT_BTI; false where `interp` is named */
    char interp[PATH_MAX]; /* PT_INTERP, or empty */
    size_t segments;
    struct elf_segment segment[64];
};

/* What is wrong with a file: one sentence without the file's name. */
struct elf_error {
    char text[160];
};

/* Reads the headers of the open file. Returns 0, or -errno with *error set: -ENOEXEC for what is not a sound
 * ARM64 program. */
int elf_read(struct elf_file *elf, int fd, struct elf_error *error);

/* Whether the note of `size` bytes at `offset` in the file says that the code is made for guarded pages. False: the note
 * is damaged. */
bool elf_property_read(int fd, uint64_t offset, uint64_t size, bool *guarded);

/* Where elf_map() put it. */
struct elf_place {
    uint64_t bias;       /* added to every virtual address */
    uint64_t start, end; /* whole pages */
};

/* Maps the segments: at their own addresses (fixed), or near `hint` (0: anywhere). Returns 0 or -errno. */
int elf_map(const struct elf_file *elf, int fd, uint64_t hint, struct elf_place *place);

#endif
