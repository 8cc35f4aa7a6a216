/* From a file name to a guest process image: opens, follows #! lines, maps, and says clearly what is wrong.
 */
#include <xemu/loader.h>
#include "elf.h"
#include "script.h"
#include "stack.h"
#include "vdso.h"

#include <xemu/guestmem.h>
#include <xemu/launch.h>
#include <xemu/log.h>
#include <xemu/options.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a shell reports: not found, or found but not runnable. */
enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

/* Position-independent programs start a third of the way up the address space, as far from the heap that
 * grows behind them as from the mappings of host and guest near its top. (The kernel takes two thirds: there
 * is xemu.) */
static const uint64_t PIE_BASE = 0x2aaaaaaaa000;

enum { PIE_RANDOM_PAGES = 1 << 28, BRK_RANDOM_PAGES = 1 << 18, STACK_RANDOM_BYTES = 8192, SCRIPT_DEPTH = 5 };

/* A program on its way to be run. */
struct program {
    const char *name; /* as the user or a #! line gave it */
    const char *path; /* on the host */
    int fd;
    char *const *argv;
};

static uint64_t randomness(uint64_t range)
{
    uint64_t value = 0;
    if (personality(0xffffffff) & ADDR_NO_RANDOMIZE)
        return 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value)
        return 0;
    return value % range;
}

static void *checked(void *memory)
{
    if (!memory)
        die(1, "out of memory");
    return memory;
}

/* A name without a slash is not looked up in PATH, as the kernel doesn't; but say where it would be. */
static _Noreturn void die_not_found(const char *name)
{
    static const char *const directories[] = {"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"};
    char path[PATH_MAX], buffer[PATH_MAX];
    for (size_t i = 0; options.sysroot && !strchr(name, '/') && i < sizeof directories / sizeof *directories;
         i++) {
        snprintf(path, sizeof path, "%s/%s", directories[i], name);
        if (sysroot_path(path, buffer) == buffer)
            die(STATUS_NOT_FOUND, "%s: no such file here; did you mean %s?", name, path);
    }
    if (options.sysroot && name[0] == '/')
        die(STATUS_NOT_FOUND, "%s: no such file, neither below %s nor on this machine", name,
            options.sysroot);
    die(STATUS_NOT_FOUND, "%s: no such file; give the path of an ARM64 program", name);
}

/* What the kernel calls an open file that no path leads to: one from memfd_create(), or a deleted one. */
static char *kernel_name(int fd)
{
    char link[32], name[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name);
    return length < 0 ? NULL : strndup(name, (size_t)length);
}

/* The kernel has opened the program and checked all there is to check; it may be one that nobody can read. Its name
 * is for /proc/self/exe, and may lead nowhere or to another file by now. */
static void adopt_program(struct program *program, int fd)
{
    struct stat by_fd, by_name;
    program->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (program->fd < 0 || fstat(fd, &by_fd) < 0)
        die(STATUS_CANNOT_RUN, "%s: the descriptor that the kernel passed: %s", program->name, strerror(errno));
    close(fd);
    program->path = realpath(program->name, NULL);
    bool same = program->path && stat(program->path, &by_name) == 0 && by_name.st_ino == by_fd.st_ino &&
                by_name.st_dev == by_fd.st_dev;
    if (!same && (program->path = kernel_name(program->fd)) == NULL)
        program->path = program->name;
}

static void open_program(struct program *program)
{
    char buffer[PATH_MAX];
    struct stat st;
    const char *path = sysroot_path(program->name, buffer);
    if (stat(path, &st) < 0) {
        if (errno == ENOENT)
            die_not_found(program->name);
        die(errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN, "%s: %s", program->name,
            strerror(errno));
    }
    if (S_ISDIR(st.st_mode))
        die(STATUS_CANNOT_RUN, "%s: is a directory, not a program", program->name);
    if (!S_ISREG(st.st_mode))
        die(STATUS_CANNOT_RUN, "%s: is no regular file", program->name);
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        die(STATUS_CANNOT_RUN, "%s: no permission to run it (chmod +x?)", program->name);
    program->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (program->fd < 0)
        die(STATUS_CANNOT_RUN, "%s: %s", program->name, strerror(errno));
    program->path = realpath(path, NULL);
    if (!program->path)
        program->path = kernel_name(program->fd);
    if (!program->path)
        die(STATUS_CANNOT_RUN, "%s: has no absolute path: %s", program->name, strerror(errno));
}

/* argv of the script's interpreter: itself, its argument if there is one, the script, the script's arguments.
 */
static char *const *script_argv(const struct script *script, const struct program *program)
{
    size_t argc = 0, n = 0;
    while (program->argv[argc])
        argc++;
    char **argv = checked(calloc(argc + 4, sizeof *argv));
    argv[n++] = checked(strdup(script->interpreter));
    if (script->argument[0])
        argv[n++] = checked(strdup(script->argument));
    argv[n++] = (char *)program->name;
    for (size_t i = 1; i < argc; i++)
        argv[n++] = program->argv[i];
    return argv;
}

static void follow_scripts(struct program *program)
{
    struct script script;
    for (int depth = 0; script_read(&script, program->fd); depth++) {
        if (!script.interpreter[0])
            die(STATUS_CANNOT_RUN, "%s: its first line names no interpreter after #!", program->name);
        if (depth == SCRIPT_DEPTH)
            die(STATUS_CANNOT_RUN, "%s: too many #! interpreters in a row", program->name);
        program->argv = script_argv(&script, program);
        close(program->fd);
        program->name = program->argv[0];
        open_program(program);
    }
}

static void read_elf(struct elf_file *elf, int fd, const char *name)
{
    struct elf_error error = {""};
    int status = elf_read(elf, fd, &error);
    if (status == -ENOEXEC)
        die(STATUS_CANNOT_RUN, "%s: %s", name, error.text);
    if (status)
        die(STATUS_CANNOT_RUN, "%s: cannot be read: %s", name, strerror(-status));
}

static struct elf_place map_elf(const struct elf_file *elf, int fd, uint64_t hint, const char *name)
{
    struct elf_place place;
    int status = elf_map(elf, fd, hint, &place);
    if (status)
        die(STATUS_CANNOT_RUN, "%s: cannot be mapped at %#lx..%#lx: %s", name, elf->low, elf->high,
            strerror(-status));
    return place;
}

static int open_interp(const char *interp, const char *program)
{
    char buffer[PATH_MAX];
    const char *path = sysroot_path(interp, buffer);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT)
        die(STATUS_CANNOT_RUN, "%s: its ELF interpreter %s: %s", program, path, strerror(errno));
    if (options.sysroot)
        die(STATUS_NOT_FOUND, "%s: needs %s, which is not below %s: give the root of an ARM64 system with -L",
            program, interp, options.sysroot);
    die(STATUS_NOT_FOUND,
        "%s: needs %s, which is not here: give the root of an ARM64 system with -L, such as -L "
        "/usr/aarch64-linux-gnu",
        program, interp);
}

/* Maps the ELF interpreter; execution begins there. */
static void load_interp(struct guest_image *image, const char *interp, const char *program)
{
    static struct elf_file elf;
    int fd = open_interp(interp, program);
    read_elf(&elf, fd, interp);
    struct elf_place place = map_elf(&elf, fd, 0, interp);
    close(fd);
    image->interp_base = place.start;
    image->entry = elf.entry + place.bias;
}

static void set_code_and_data(struct guest_image *image, const struct elf_file *elf)
{
    image->start_code = UINT64_MAX;
    for (size_t i = 0; i < elf->segments; i++) {
        const struct elf_segment *segment = &elf->segment[i];
        uint64_t start = segment->vaddr + image->load_bias, file_end = start + segment->filesz;
        if (segment->prot & PROT_EXEC && start < image->start_code)
            image->start_code = start;
        if (segment->prot & PROT_EXEC && file_end > image->end_code)
            image->end_code = file_end;
        if (start > image->start_data)
            image->start_data = start;
        if (file_end > image->end_data)
            image->end_data = file_end;
        if (start + segment->memsz > image->brk_start)
            image->brk_start = start + segment->memsz;
    }
}

static void load_program(struct guest_image *image, const struct elf_file *elf, const struct program *program)
{
    uint64_t hint = PIE_BASE + randomness(PIE_RANDOM_PAGES) * PAGE;
    struct elf_place place = map_elf(elf, program->fd, hint, program->name);
    image->load_bias = place.bias;
    image->entry = image->program_entry = elf->entry + place.bias;
    image->phdr = elf->phdr ? elf->phdr + place.bias : 0;
    image->stack_flags = elf->exec_stack;
    set_code_and_data(image, elf);
    guest_brk_init(page_up(image->brk_start) + randomness(BRK_RANDOM_PAGES) * PAGE);
}

static void make_stack(struct guest_image *image, const struct elf_file *elf, const struct program *program,
                       char *const envp[])
{
    int status = stack_build(image, program->argv, envp, elf->phnum, randomness(STACK_RANDOM_BYTES));
    if (status == -E2BIG)
        die(STATUS_CANNOT_RUN,
            "%s: its arguments and environment do not fit into a stack of %lu bytes (see -s)", program->name,
            image->stack_high - image->stack_low);
    if (status)
        die(STATUS_CANNOT_RUN, "%s: no memory for its stack: %s (see -s)", program->name, strerror(-status));
}

static void log_layout(const struct guest_image *image)
{
    log_printf("%s\n"
               "  code       %#14lx..%#lx\n"
               "  data       %#14lx..%#lx, brk %#lx\n"
               "  stack      %#14lx..%#lx, sp %#lx\n"
               "  interp     %#14lx\n"
               "  entry      %#14lx\n",
               image->path, image->start_code, image->end_code, image->start_data, image->end_data,
               guest_brk(0), image->stack_low, image->stack_high, image->sp, image->interp_base,
               image->entry);
}

void loader_load(struct guest_image *image, const struct launch *launch, char *const argv[], char *const envp[])
{
    static struct elf_file elf;
    struct program program = {.name = launch->path, .argv = argv};
    if (launch->fd >= 0)
        adopt_program(&program, launch->fd);
    else
        open_program(&program);
    follow_scripts(&program);
    read_elf(&elf, program.fd, program.name);
    *image = (struct guest_image){
        .path = program.path, .execfn = launch->execfn, .transparent = launch->transparent};
    load_program(image, &elf, &program);
    close(program.fd);
    if (elf.interp[0])
        load_interp(image, elf.interp, program.name);
    int status = vdso_map(image);
    if (status)
        die(STATUS_CANNOT_RUN, "%s: no memory for its vDSO: %s", program.name, strerror(-status));
    make_stack(image, &elf, &program, envp);
    if (log_on(LOG_PAGE))
        log_layout(image);
}
