/* execve: ARM64 programs run under xemu again, native ones run natively; errors are found before anything is
 * lost. */
#include <xemu/fault.h>
#include <xemu/jit.h>
#include <xemu/loader.h>
#include <xemu/options.h>
#include <xemu/sampler.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "inherit.h"
#include "path.h"
#include "task.h"

enum {
    HEAD_SIZE = 256,    /* what the kernel looks at (BINPRM_BUF_SIZE) */
    SCRIPT_DEPTH = 5,   /* as the kernel: then ELOOP */
    MAX_ARGS = 1 << 20, /* beyond any stack limit */
    SCRIPT_ARGS = 3,    /* interpreter, its argument, script */
    XEMU_NEEDS = 64 << 20, /* bytes of address space to start with */
};

enum program_kind { PROGRAM_ARM64, PROGRAM_SCRIPT, PROGRAM_NATIVE };

struct program {
    enum program_kind kind;
    char name[PATH_MAX]; /* as the guest knows it: argv of an interpreter shows it */
    char path[PATH_MAX]; /* as the host can open it */
    _Alignas(Elf64_Ehdr) char head[HEAD_SIZE + 1]; /* first bytes, zero-padded */
    int keep_fd; /* the path leads through this descriptor, which must survive; else -1 */
    bool moved;  /* path isn't simply the name: the host's kernel can't interpret the script itself */
};

/* argv under construction: pointers of the guest or of xemu, which to the kernel is the same. */
struct vector {
    uint64_t *at;
    size_t count;
};

/* ---- finding and reading the file ---- */

/* /proc/self/fd/N leads to a file that may have a name of its own, or none that works (memfd, deleted). Then
 * the new program is reached through a copy of the descriptor that survives the exec. */
static int name_descriptor(struct program *program, int fd)
{
    char link[32];
    struct stat by_fd, by_name;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, program->path, sizeof program->path - 1);
    if (length > 0) {
        program->path[length] = '\0';
        if (!fstat(fd, &by_fd) && !stat(program->path, &by_name) && by_fd.st_ino == by_name.st_ino &&
            by_fd.st_dev == by_name.st_dev)
            return 0;
    }
    program->keep_fd = fcntl(fd, F_DUPFD, 512);
    if (program->keep_fd < 0)
        return -errno;
    snprintf(program->path, sizeof program->path, "/proc/self/fd/%d", program->keep_fd);
    return 0;
}

/* A name relative to a directory descriptor: the kernel calls such a program /dev/fd/N/name. */
static int name_below(struct program *program, int dirfd, const char *name)
{
    char link[32], directory[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t length = readlink(link, directory, sizeof directory - 1);
    if (length < 0)
        return fcntl(dirfd, F_GETFD) < 0 ? -EBADF : -ENOENT;
    directory[length] = '\0';
    int path_length = snprintf(program->path, sizeof program->path, "%s/%s", directory, name);
    int name_length = snprintf(program->name, sizeof program->name, "/dev/fd/%d/%s", dirfd, name);
    return path_length >= PATH_MAX || name_length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int find_program(struct program *program, int dirfd, uint64_t name_addr, int flags)
{
    struct guest_path path;
    program->keep_fd = -1;
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    if (!name_addr)
        return -EFAULT;
    int error = path_get(&path, dirfd, name_addr, !(flags & AT_SYMLINK_NOFOLLOW));
    if (error)
        return error;
    strcpy(program->name, path.text);
    strcpy(program->path, path.host ? path.host : path.text);
    program->moved = path.host != NULL;
    if (!path.text[0]) {
        if (!(flags & AT_EMPTY_PATH))
            return -ENOENT;
        program->moved = true;
        snprintf(program->name, sizeof program->name, "/dev/fd/%d", dirfd);
        return name_descriptor(program, dirfd);
    }
    if (path.text[0] != '/' && !path.host && dirfd != AT_FDCWD) {
        program->moved = true;
        return name_below(program, dirfd, path.text);
    }
    return 0;
}

/* Kernels that can (Linux 6.14) look at the file as if they executed it: whether somebody writes to it, mounts that
 * forbid it; and tell who watches it (fanotify). */
static int check_by_kernel(const char *path)
{
    static char *const none[] = {NULL}, *const one[] = {"", NULL};
    int64_t result = host_raw6(SYS_execveat, (uint64_t)AT_FDCWD, (uint64_t)path, (uint64_t)one, (uint64_t)none,
                               AT_EXECVE_CHECK, 0);
    return result == -ETXTBSY || result == -EACCES ? (int)result : 0;
}

/* Checks as the kernel does before it lets go of the old program: 0, or -errno. */
static int read_head(struct program *program, int flags)
{
    struct stat info;
    int error = 0;
    memset(program->head, 0, sizeof program->head);
    if (faccessat(AT_FDCWD, program->path, X_OK, AT_EACCESS | (flags & AT_SYMLINK_NOFOLLOW)))
        return -errno;
    int fd = open(program->path,
                  O_RDONLY | O_CLOEXEC | O_NONBLOCK | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* it may be executable without being readable: for the host */
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        error = -EACCES;
    else if (pread(fd, program->head, HEAD_SIZE, 0) < 0)
        error = -errno;
    close(fd);
    return error ? error : check_by_kernel(program->path);
}

/* ---- what it is ---- */

static bool is_arm64(const Elf64_Ehdr *elf)
{
    return !memcmp(elf->e_ident, ELFMAG, SELFMAG) && elf->e_ident[EI_CLASS] == ELFCLASS64 &&
           elf->e_ident[EI_DATA] == ELFDATA2LSB && elf->e_machine == EM_AARCH64 &&
           (elf->e_type == ET_EXEC || elf->e_type == ET_DYN);
}

static enum program_kind kind_of(const char *head)
{
    if (head[0] == '#' && head[1] == '!')
        return PROGRAM_SCRIPT;
    return is_arm64((const Elf64_Ehdr *)head) ? PROGRAM_ARM64 : PROGRAM_NATIVE;
}

/* A dynamic program whose ELF interpreter is missing fails with that error. */
static int check_interpreter(const struct program *program)
{
    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)program->head;
    int error = 0, fd = open(program->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phnum == 0)
        error = -ENOEXEC;
    for (int i = 0; i < elf->e_phnum && !error; i++) {
        Elf64_Phdr header;
        char name[PATH_MAX], buffer[PATH_MAX];
        if (pread(fd, &header, sizeof header, (off_t)(elf->e_phoff + (uint64_t)i * sizeof header)) !=
            sizeof header) {
            error = -ENOEXEC;
        } else if (header.p_type == PT_INTERP) {
            if (header.p_filesz < 2 || header.p_filesz > sizeof name ||
                pread(fd, name, header.p_filesz, (off_t)header.p_offset) != (ssize_t)header.p_filesz ||
                name[header.p_filesz - 1])
                error = -ENOEXEC;
            else if (faccessat(AT_FDCWD, sysroot_path(name, buffer), X_OK, AT_EACCESS))
                error = -errno;
            break;
        }
    }
    close(fd);
    return error;
}

/* ---- scripts ---- */

/* Splits "#!interpreter argument" in place, by the kernel's rules: one argument at most, blanks around it
 * gone. */
static int parse_script(char *head, char **interpreter, char **argument)
{
    char *line = head + 2, *end = strpbrk(line, "\n");
    if (!end) { /* cut off: only harmful if the interpreter's name may be cut */
        line += strspn(line, " \t");
        if (strlen(head) == HEAD_SIZE && !strpbrk(line, " \t"))
            return -ENOEXEC;
        end = head + strlen(head);
    }
    *end = '\0';
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    line += strspn(line, " \t");
    if (!*line)
        return -ENOEXEC;
    *interpreter = line;
    line += strcspn(line, " \t");
    *argument = NULL;
    if (*line) {
        *line++ = '\0';
        *argument = line + strspn(line, " \t");
    }
    return 0;
}

/* Puts new strings in front of argv, whose first `drop` go. vector->at has room before its start. */
static void replace_front(struct vector *args, size_t drop, char *const strings[], size_t count)
{
    args->at += drop;
    args->count -= drop;
    for (size_t i = count; i-- > 0;) {
        *--args->at = (uint64_t)(uintptr_t)strings[i];
        args->count++;
    }
}

/* Turns a script into its interpreter with the script as an argument. The strings live in *scratch. */
static int enter_script(struct program *program, struct vector *args, char *scratch)
{
    char *interpreter, *argument, *script = scratch, *line = scratch + PATH_MAX, buffer[PATH_MAX];
    strcpy(script, program->name);
    strcpy(line, program->head);
    int error = parse_script(line, &interpreter, &argument);
    if (error)
        return error;
    char *front[SCRIPT_ARGS] = {interpreter};
    size_t count = 1;
    if (argument)
        front[count++] = argument;
    front[count++] = script;
    replace_front(args, args->count ? 1 : 0, front, count);
    strcpy(program->name, interpreter);
    const char *host = interpreter[0] == '/' ? sysroot_path(interpreter, buffer) : interpreter;
    program->moved |= host != interpreter;
    strcpy(program->path, host);
    return read_head(program, 0);
}

/* ---- argv ---- */

enum { OWN_ARGS = 4 }; /* --inherited=FD -0 ARGV0 PROGRAM */
enum { FRONT_ROOM = SCRIPT_DEPTH * (SCRIPT_ARGS - 1) + 1 };

static int64_t count_args(uint64_t addr)
{
    uint64_t chunk[64];
    for (size_t count = 0; addr && count < MAX_ARGS;) {
        /* to the page's end at most: the array may end just before a page that isn't there */
        size_t here = (4096 - (addr & 4095)) / sizeof *chunk;
        here = here == 0 ? 1 : here > 64 ? 64 : here;
        if (guest_copy_in(chunk, addr, here * sizeof *chunk))
            return -EFAULT;
        for (size_t i = 0; i < here; i++, count++) {
            if (!chunk[i])
                return (int64_t)count;
        }
        addr += here * sizeof *chunk;
    }
    return addr ? -E2BIG : 0;
}

/* Everything an execve needs in one piece of memory, which a vfork child that succeeds leaves to its parent:
 * slots for the front, the guest's argv, a null; then the strings of scripts. */
struct exec_memory {
    struct vector args;
    char *scripts;
};
enum { SCRIPT_STRINGS = PATH_MAX + HEAD_SIZE + 1 };

static int prepare_memory(struct task *task, uint64_t argv, size_t front, struct exec_memory *memory)
{
    int64_t count = count_args(argv);
    if (count < 0)
        return (int)count;
    size_t slots = front + FRONT_ROOM + (size_t)count + 1;
    free(task->exec_scratch);
    uint64_t *at = task->exec_scratch = malloc(slots * sizeof *at + SCRIPT_DEPTH * SCRIPT_STRINGS);
    if (!at)
        return -ENOMEM;
    memory->args = (struct vector){at + front + FRONT_ROOM, (size_t)count};
    memory->scripts = (char *)(at + slots);
    at[slots - 1] = 0;
    return guest_copy_in(memory->args.at, argv, (size_t)count * sizeof *at);
}

/* ---- the host's execve ---- */

/* No signal may be lost: up to the system call itself a signal that arrives calls the execve off for now. */
static int64_t host_exec(struct cpu *cpu, int dirfd, const char *path, uint64_t argv, uint64_t envp,
                         int flags)
{
    if (!cpu->task->vfork_child) /* whose code is its parent's */
        jit_save();
    if (!signal_hold(cpu))
        return RESULT_RESTART;
    if (!cpu->task->vfork_child) /* which is not sampled */
        sampler_hold();
    signal_before_exec(cpu->task);
    int64_t result =
        HOST_CALL(SYS_execveat, (uint64_t)(int64_t)dirfd, (uint64_t)path, argv, envp, (uint64_t)flags);
    signal_after_failed_exec(cpu->task);
    if (!cpu->task->vfork_child)
        sampler_release();
    return result;
}

/* ELOOP: debootstrap leaves a /proc that is a link to itself. */
static bool is_missing(int64_t error)
{
    return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ELOOP;
}

/* Runs xemu itself; without /proc through the descriptor kept for this. */
static int64_t exec_self(struct cpu *cpu, uint64_t argv, uint64_t envp)
{
    int fd = self_exe_fd();
    int64_t result = host_exec(cpu, AT_FDCWD, "/proc/self/exe", argv, envp, 0);
    if (!is_missing(result) || fd < 0)
        return result;
    fcntl(fd, F_SETFD, 0); /* the new xemu finds it by AT_EXECFN and needs it again */
    result = host_exec(cpu, fd, "", argv, envp, AT_EMPTY_PATH);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return result;
}

/* Setuid and setgid bits and file capabilities are the kernel's to give, which it does if binfmt_misc knows an
 * emulator with flag C. Below -L a handler wouldn't find the program's libraries. */
static bool asks_for_privileges(const struct program *program)
{
    struct stat info;
    if (options.sysroot || stat(program->path, &info) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return false;
    if ((info.st_mode & S_ISUID) && info.st_uid != geteuid())
        return true;
    if ((info.st_mode & S_ISGID) && (info.st_mode & S_IXGRP) && info.st_gid != getegid())
        return true;
    return getxattr(program->path, "security.capability", NULL, 0) > 0;
}

/* Under the guest's limits, which a native program has from the kernel. */
static int64_t host_exec_limited(struct cpu *cpu, const char *path, uint64_t argv, uint64_t envp, int flags,
                                 rlim64_t least)
{
    limits_apply(cpu->task, least);
    int64_t result = host_exec(cpu, AT_FDCWD, path, argv, envp, flags);
    limits_take_back();
    return result;
}

static int64_t exec_by_kernel(struct cpu *cpu, const struct program *program, const struct vector *args,
                              uint64_t envp)
{
    const char *path = program->moved ? program->path : program->name;
    return host_exec_limited(cpu, path, (uint64_t)args->at, envp, 0, XEMU_NEEDS);
}

static int64_t exec_arm64(struct cpu *cpu, struct program *program, struct vector *args, char *const *own,
                          uint64_t envp)
{
    static char empty[] = "", option[] = "-0";
    int error = check_interpreter(program);
    if (error)
        return error;
    bool must = inherit_must(cpu->task);
    if (guest_image.transparent || (!must && asks_for_privileges(program))) {
        int64_t result = exec_by_kernel(cpu, program, args, envp);
        if (result != -ENOEXEC)
            return result;
    }
    int left = inherit_leave(cpu->task);
    if (left < -1)
        return left;
    struct vector plain = *args;
    char *argv0 = args->count ? (char *)(uintptr_t)args->at[0] : empty;
    char *front[] = {option, argv0, program->path};
    size_t own_count = 0;
    while (own[own_count])
        own_count++;
    replace_front(args, args->count ? 1 : 0, front, 3);
    char inherited[32];
    if (left >= 0) {
        snprintf(inherited, sizeof inherited, "--inherited=%d", left);
        replace_front(args, 0, (char *[]){inherited}, 1);
        fcntl(left, F_SETFD, 0);
    }
    replace_front(args, 0, own, own_count);
    int64_t result = exec_self(cpu, (uint64_t)args->at, envp);
    if (left >= 0)
        close(left);
    if (is_missing(result) && !must) { /* no /proc, but binfmt_misc may know us */
        if (plain.count)
            plain.at[0] = (uint64_t)(uintptr_t)argv0;
        int64_t by_kernel = exec_by_kernel(cpu, program, &plain, envp);
        return by_kernel == -ENOEXEC ? result : by_kernel;
    }
    return result;
}

/* args: path, argv, envp, flags. */
static int64_t exec_found(struct cpu *cpu, struct program *program, const uint64_t args[4], char *const *own,
                          size_t own_count)
{
    struct exec_memory memory = {0};
    char first[PATH_MAX];
    int depth = 0, error = read_head(program, (int)args[3]);
    if (!error)
        error = prepare_memory(cpu->task, args[1], own_count + OWN_ARGS, &memory);
    strcpy(first, program->path);
    for (; !error && kind_of(program->head) == PROGRAM_SCRIPT; depth++) {
        if (depth == SCRIPT_DEPTH)
            return -ELOOP;
        error = enter_script(program, &memory.args, memory.scripts + depth * SCRIPT_STRINGS);
    }
    if (error)
        return error;
    if (kind_of(program->head) == PROGRAM_ARM64)
        return exec_arm64(cpu, program, &memory.args, own, args[2]);
    if (cpu->task->seccomp.mode) /* its filters don't fit what a native program calls: rather not at all */
        return -EACCES;
    if (program->moved && depth) /* a native interpreter in a place that the host's kernel wouldn't look at */
        return host_exec_limited(cpu, program->path, (uint64_t)memory.args.at, args[2], 0, 0);
    return host_exec_limited(cpu, first, args[1], args[2], (int)args[3] & AT_SYMLINK_NOFOLLOW, 0);
}

static int64_t exec_call(struct cpu *cpu, int dirfd, const uint64_t args[4])
{
    char **own = options_reexec_argv(0);
    size_t own_count = 0;
    if (!own)
        return -ENOMEM;
    while (own[own_count])
        own_count++;
    char *fixed[own_count + 1]; /* the array is copied, so that a vfork child's success doesn't leak it */
    memcpy(fixed, own, (own_count + 1) * sizeof *own);
    free(own);
    struct program program;
    int64_t result = find_program(&program, dirfd, args[0], (int)args[3]);
    if (result == 0)
        result = exec_found(cpu, &program, args, fixed, own_count);
    if (program.keep_fd >= 0)
        close(program.keep_fd);
    return result;
}

int64_t sys_execve(struct cpu *cpu, const uint64_t args[6])
{
    return exec_call(cpu, AT_FDCWD, (const uint64_t[4]){args[0], args[1], args[2], 0});
}

int64_t sys_execveat(struct cpu *cpu, const uint64_t args[6])
{
    return exec_call(cpu, (int)args[0], (const uint64_t[4]){args[1], args[2], args[3], args[4]});
}

/* ---- a program without a path ---- */

static char program_link[32];

void exec_adopt_program(void)
{
    int fd;
    if (sscanf(guest_image.execfn, "/proc/self/fd/%d", &fd) != 1 || fd < 512)
        return;
    snprintf(program_link, sizeof program_link, "/proc/self/fd/%d", own_fd(fd));
}

const char *proc_exe_path(void) { return program_link[0] ? program_link : guest_image.path; }
