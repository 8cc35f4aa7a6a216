/* Core files of processes that signals end: when there is one, what the parent learns, and what is in it. The
 * files are looked at only where core_pattern is the kernel's default. */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#ifdef __aarch64__
enum { MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_X86_64 };
#endif

static char *volatile kept, *volatile excluded, *volatile shared, *volatile untouched;
static pid_t last;
static int with_pid;

/* ---- deaths ---- */

static void fault(void) { *(volatile int *)8 = 1; }
static void aborting(void) { abort(); }
static void quit(void) { raise(SIGQUIT); }
static void terminated(void) { raise(SIGTERM); }

static void not_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    fault();
}
static void limited(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_CORE, &limit);
    fault();
}
static void limit_of_zero(void) { limited(0); }
static void limit_below_a_page(void) { limited(4095); }
static void limit_of_a_page(void) { limited(4096); }
static void limit_of_some_pages(void) { limited(5 * 4096); }

static void unwritable_directory(void)
{
    chdir("/proc");
    fault();
}

static void *sleeper(void *arg) { return pause(), arg; }
static void *spinner(void *arg)
{
    for (volatile long i = 0;; i++)
        ;
    return arg;
}
static void *faulter(void *arg)
{
    usleep(20000);
    fault();
    return arg;
}

static void *map(int flags) { return mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0); }

static void with_threads_and_memory(void)
{
    pthread_t id;
    untouched =
        mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    strcpy(kept, "kept");
    strcpy(excluded, "excluded");
    strcpy(shared, "shared");
    strcpy(untouched + (1 << 29), "far");
    madvise(excluded, 4096, MADV_DONTDUMP);
    pthread_create(&id, NULL, sleeper, NULL);
    pthread_create(&id, NULL, spinner, NULL);
    pthread_create(&id, NULL, faulter, NULL);
    pthread_join(id, NULL);
}

static void with_vfork(void)
{
    int status;
    pid_t child = vfork();
    if (child == 0)
        fault();
    waitpid(child, &status, 0);
    _exit(WTERMSIG(status) == SIGSEGV && WCOREDUMP(status) ? 77 : 1);
}

/* The wait status of a process that runs part(). */
static int status_of(void (*part)(void))
{
    int status = -1;
    unlink("core");
    fflush(stdout);
    last = fork();
    if (last == 0) {
        part();
        _exit(99);
    }
    CHECK(waitpid(last, &status, 0), last);
    return status;
}

/* ---- files ---- */

static int pattern_is_default(void)
{
    char pattern[256] = "", uses_pid = '0';
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    read(fd, pattern, sizeof pattern - 1);
    close(fd);
    fd = open("/proc/sys/kernel/core_uses_pid", O_RDONLY);
    read(fd, &uses_pid, 1);
    close(fd);
    with_pid = uses_pid == '1';
    return !strcmp(pattern, "core\n");
}

static int open_core(void)
{
    char name[32];
    snprintf(name, sizeof name, "core.%d", last);
    return open(with_pid ? name : "core", O_RDONLY);
}

/* Bytes of the core file, -1 if there is none. */
static long core_bytes(void)
{
    struct stat info;
    int fd = open_core();
    long bytes = fd < 0 || fstat(fd, &info) ? -1 : info.st_size;
    close(fd);
    return bytes;
}

static int notes_of_type(const char *core, const Elf64_Phdr *note, uint32_t type)
{
    int count = 0;
    for (uint64_t at = 0; at < note->p_filesz;) {
        const Elf64_Nhdr *head = (const void *)(core + note->p_offset + at);
        count += head->n_type == type;
        at += sizeof *head + ((head->n_namesz + 3) & ~3u) + ((head->n_descsz + 3) & ~3u);
    }
    return count;
}

/* What the file says is at this address of the dead process; null: nothing. */
static const char *memory_at(const char *core, const char *address)
{
    const Elf64_Ehdr *elf = (const void *)core;
    const Elf64_Phdr *header = (const void *)(core + elf->e_phoff);
    for (int i = 0; i < elf->e_phnum; i++) {
        uint64_t offset = (uint64_t)address - header[i].p_vaddr;
        if (header[i].p_type == PT_LOAD && offset < header[i].p_filesz)
            return core + header[i].p_offset + offset;
    }
    return NULL;
}

static void look_into_the_file(void)
{
    struct stat info;
    int fd = open_core();
    CHECK(fstat(fd, &info), 0);
    CHECK(info.st_mode, S_IFREG | 0600);
    CHECK(info.st_blocks * 512 < 64 << 20, 1); /* what was never touched takes no room */
    char *core = mmap(NULL, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const Elf64_Ehdr *elf = (const void *)core;
    const Elf64_Phdr *note = (const void *)(core + elf->e_phoff);
    CHECK(memcmp(elf->e_ident, ELFMAG, SELFMAG), 0);
    CHECK(elf->e_type, ET_CORE);
    CHECK(elf->e_machine, MACHINE);
    CHECK(note->p_type, PT_NOTE);
    CHECK(notes_of_type(core, note, NT_PRSTATUS), 4);
    CHECK(notes_of_type(core, note, NT_FPREGSET), 4);
    CHECK(notes_of_type(core, note, NT_PRPSINFO), 1);
    CHECK(notes_of_type(core, note, NT_SIGINFO), 1);
    CHECK(notes_of_type(core, note, NT_AUXV), 1);
    CHECK(notes_of_type(core, note, NT_FILE), 1);
    CHECK(strcmp(memory_at(core, kept), "kept"), 0);
    CHECK(strcmp(memory_at(core, shared), "shared"), 0);
    CHECK(memory_at(core, excluded) == NULL, 1);
    /* the child's variable tells where the child's mapping was */
    CHECK(strcmp(memory_at(core, *(char **)memory_at(core, (char *)&untouched) + (1 << 29)), "far"), 0);
    close(fd);
}

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_max < 64 << 20)
        limit.rlim_max = RLIM_INFINITY;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_CORE, &limit)) /* none may be written here */
        return puts("ok") < 0;
    kept = map(MAP_PRIVATE);
    excluded = map(MAP_PRIVATE);
    shared = map(MAP_SHARED);

    int dumped = SIGSEGV | 0x80, defaults = pattern_is_default();
    if (!defaults)
        return check_end();
    CHECK(status_of(with_threads_and_memory), dumped);
    look_into_the_file();
    CHECK(status_of(aborting), SIGABRT | 0x80);
    CHECK(core_bytes() > 8192, 1);
    CHECK(status_of(quit), SIGQUIT | 0x80);
    CHECK(core_bytes() > 8192, 1);
    CHECK(status_of(terminated), SIGTERM);
    CHECK(core_bytes(), -1);
    CHECK(status_of(limit_of_zero), SIGSEGV);
    CHECK(core_bytes(), -1);
    CHECK(status_of(limit_below_a_page), SIGSEGV);
    CHECK(core_bytes(), -1);
    CHECK(status_of(limit_of_a_page), dumped);
    CHECK(core_bytes() <= 4096, 1);
    CHECK(status_of(limit_of_some_pages), dumped);
    CHECK(core_bytes() > 0, 1);
    CHECK(status_of(not_dumpable), SIGSEGV);
    CHECK(core_bytes(), -1);
    CHECK(status_of(unwritable_directory), SIGSEGV);
    CHECK(core_bytes(), -1);
    CHECK(status_of(with_vfork), 77 << 8);
    unlink("core");
    mkdir("core", 0700); /* in the way */
    CHECK(status_of(fault), SIGSEGV);
    return check_end();
}
