/* How xemu was started: by hand with a command line, or by the kernel in place of a program (binfmt_misc). */
#ifndef XEMU_LAUNCH_H
#define XEMU_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

/* Of AT_FLAGS (Linux, Documentation/admin-guide/binfmt-misc.rst). */
enum {
    LAUNCH_PRESERVE_ARGV0 = 1 << 0, /* flag P, told since Linux 5.12 */
    LAUNCH_TRANSPARENT = 1 << 1,    /* flag T: argv is the program's own, the program is only in AT_EXECFD */
};

/* What the kernel left for us, apart from argv. */
struct launch_facts {
    uint64_t at_flags;
    int execfd;         /* AT_EXECFD (flags O and C); -1: none */
    const char *execfn; /* AT_EXECFN; may be null */
};

struct launch {
    bool by_kernel;     /* argv holds no options of ours */
    bool transparent;   /* /proc/self/exe is the program, not xemu */
    int argv_at;        /* where the program's argv begins; by hand: 1, where options may begin */
    const char *path;   /* by the kernel: of the program, from the directory it was started in */
    const char *execfn; /* by the kernel: the name that execve got: of the script, if it was one */
    int fd;             /* the opened program, or -1; the caller closes it */
};

/* Facts of this process, from the auxiliary vector. */
struct launch_facts launch_facts(void);

/* What argv and the facts mean. argv belongs to the caller and must outlive the result. */
struct launch launch_read(int argc, char **argv, struct launch_facts facts);

#endif
