/* From a file name to a guest process image. */
#ifndef XEMU_LOADER_H
#define XEMU_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind the ELF image, at VDSO_PATH, is the program's path, with a NUL; empty if it is too long. */
enum { VDSO_SIZE = 4096, VDSO_PATH = 2048 };

/* What the loader found out; lives as long as the process. */
struct guest_image {
    const char *path;      /* absolute host path of the program, symbolic links resolved */
    const char *execfn;    /* AT_EXECFN: the name as it was given */
    bool transparent;      /* the kernel takes the program for /proc/self/exe: xemu's own file is out of reach */
    uint64_t entry;        /* first pc: the ELF interpreter's entry if there is one */
    uint64_t program_entry; /* AT_ENTRY */
    uint64_t load_bias;    /* of the program */
    uint64_t interp_base;  /* AT_BASE; 0 without PT_INTERP */
    uint64_t phdr;         /* AT_PHDR */
    uint64_t sp;           /* initial stack pointer, 16-byte aligned, argc there */
    uint64_t brk_start;    /* end of the program's bss, not aligned */
    uint64_t start_code, end_code, start_data, end_data; /* for /proc/self/stat */
    uint64_t stack_low, stack_high;     /* mapped stack */
    uint64_t arg_start, arg_end, env_start, env_end;
    uint64_t auxv;         /* guest address of the auxiliary vector */
    size_t auxv_size;      /* bytes, AT_NULL included */
    uint64_t vdso;         /* AT_SYSINFO_EHDR: VDSO_SIZE bytes */
    uint64_t sigreturn;    /* guest address of `mov x8, #139; svc #0` for handlers without a restorer */
    int stack_flags;       /* nonzero: executable stack (PT_GNU_STACK) */
};

struct launch;

/* Maps the program, its ELF interpreter, stack and vdso, and writes argc, argv, envp and auxv. launch names the
 * program; its descriptor, if it has one, is used instead of the name and closed. Errors are the user's or the
 * environment's: die() with one clear line and 126 or 127. */
void loader_load(struct guest_image *image, const struct launch *launch, char *const argv[], char *const envp[]);

/* Sysroot: the host path for the guest's absolute `path` if it exists below -L, otherwise path itself. The
 * result is in buffer (PATH_MAX bytes) or is path. Follows the rule of qemu-user: relative paths stay as is. */
const char *sysroot_path(const char *path, char *buffer);

/* The function that the byte at `offset` of an ELF file belongs to, from the file's symbol tables: its name, cut to
 * fit, and how many bytes behind its beginning that is. False if the file cannot be read or has no such symbol. */
struct elf_symbol {
    char name[256];
    uint64_t offset;
    uint64_t size; /* of the function, bytes; 0: the file doesn't tell */
};
bool elf_find_symbol(const char *path, uint64_t offset, struct elf_symbol *found);

/* Whether files stay open between such questions, of one thread's: only at the end of a process, whose guest would
 * find its descriptors numbered otherwise. */
void elf_keep_files(bool on);

/* The functions of this name in an ELF file's symbol tables, as ranges of the file's bytes, into found[room]. One whose
 * size is not told reaches to the next symbol. Returns how many were stored; 0 also if the file cannot be read. */
struct elf_range {
    uint64_t start, end;
};
size_t elf_find_function(const char *path, const char *name, struct elf_range *found, size_t room);

#endif
