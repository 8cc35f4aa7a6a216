/* Who runs ARM64 programs here: starts a tiny one and looks at what process became of it. */
#include "binfmt.h"
#include "commands.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Writes "ok\n" and waits for the end of its input. */
static const uint32_t code[] = {
    0xd2800020, /* mov x0, #1 */
    0x10000181, /* adr x1, text */
    0xd2800062, /* mov x2, #3 */
    0xd2800808, /* mov x8, #64: write */
    0xd4000001, /* svc #0 */
    0xd2800000, /* mov x0, #0 */
    0x910003e1, /* mov x1, sp */
    0xd2800022, /* mov x2, #1 */
    0xd28007e8, /* mov x8, #63: read */
    0xd4000001, /* svc #0 */
    0xd2800000, /* mov x0, #0 */
    0xd2800ba8, /* mov x8, #93: exit */
    0xd4000001, /* svc #0 */
    0x000a6b6f, /* text: "ok\n" */
};

enum { BASE = 0x400000, ANSWER_MS = 5000 };

/* The program in a file without a name; -1 if there can be none. */
static int make_probe(void)
{
    const Elf64_Off start = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_AARCH64,
        .e_version = EV_CURRENT,
        .e_entry = BASE + start,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    Elf64_Phdr segment = {
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_vaddr = BASE,
        .p_paddr = BASE,
        .p_filesz = start + sizeof code,
        .p_memsz = start + sizeof code,
        .p_align = 0x10000,
    };
    int fd = memfd_create("xemu-probe", 0);
    if (fd < 0)
        return -1;
    bool written = write(fd, &header, sizeof header) == sizeof header &&
                   write(fd, &segment, sizeof segment) == sizeof segment &&
                   write(fd, code, sizeof code) == sizeof code;
    if (written)
        return fd;
    close(fd);
    return -1;
}

/* In the child: becomes the probe, or says why not. */
static _Noreturn void become_probe(int program, int input, int output, int report)
{
    static char *const argv[] = {"xemu-probe", NULL}, *const envp[] = {NULL};
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    fexecve(program, argv, envp);
    int error = errno;
    if (write(report, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

static void ask_version(struct answer *answer, pid_t pid)
{
    char link[32], output[256];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(link, answer->path, sizeof answer->path - 1);
    if (length <= 0)
        return;
    answer->path[length] = '\0';
    char *const argv[] = {link, "--version", NULL};
    if (run_program(argv, output, sizeof output) == 0)
        snprintf(answer->version, sizeof answer->version, "%.*s", (int)strcspn(output, "\n"), output);
    answer->by_xemu = strncmp(answer->version, "xemu ", 5) == 0;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

void probe_answer(struct answer *answer)
{
    enum { TO_READ, TO_WRITE, FROM_READ, FROM_WRITE, REPORT_READ, REPORT_WRITE, PROGRAM, FDS };
    int fd[FDS] = {-1, -1, -1, -1, -1, -1, -1};
    char text[4] = "";
    *answer = (struct answer){.error = EIO};
    fd[PROGRAM] = make_probe();
    if (fd[PROGRAM] < 0 || pipe2(fd + TO_READ, O_CLOEXEC) || pipe2(fd + FROM_READ, O_CLOEXEC) ||
        pipe2(fd + REPORT_READ, O_CLOEXEC)) {
        close_all(fd, FDS);
        return;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_probe(fd[PROGRAM], fd[TO_READ], fd[FROM_WRITE], fd[REPORT_WRITE]);
    close_all((int[]){fd[TO_READ], fd[FROM_WRITE], fd[REPORT_WRITE]}, 3);
    fd[TO_READ] = fd[FROM_WRITE] = fd[REPORT_WRITE] = -1;
    struct pollfd answers = {.fd = fd[FROM_READ], .events = POLLIN};
    if (read(fd[REPORT_READ], &answer->error, sizeof answer->error) == 0 &&
        poll(&answers, 1, ANSWER_MS) == 1 && read(fd[FROM_READ], text, 3) == 3 && strcmp(text, "ok\n") == 0) {
        answer->error = 0;
        ask_version(answer, child);
    }
    close_all(fd, FDS);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}
