// args: first "second one"
/* /proc tells a program about itself, not about what runs it. */
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

extern char **environ;
int main(int, char **);

static char *slurp(const char *path, size_t *size)
{
    static char buffer[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    *size = 0;
    if (fd < 0)
        return NULL;
    while ((got = read(fd, buffer + *size, sizeof buffer - 1 - *size)) > 0)
        *size += got;
    buffer[*size] = 0;
    CHECK(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    return buffer;
}

/* The line of maps that holds the address; its permissions, or null. */
static char *line_of(char *maps, void *address)
{
    static char line[512];
    for (char *at = maps; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        unsigned long from, to;
        if (sscanf(at, "%lx-%lx", &from, &to) == 2 && from <= (uintptr_t)address && (uintptr_t)address < to) {
            size_t length = strcspn(at, "\n");
            snprintf(line, sizeof line, "%.*s", (int)length, at);
            return line;
        }
    }
    return NULL;
}

static const char *perms_of(char *line) { return line ? strchr(line, ' ') + 1 : "none"; }

static void exe_is_the_program(const char *argv0)
{
    char path[4096] = {0}, by_id[64], again[4096] = {0}, real[4096];
    struct stat named, linked, link;
    int local = readlink("/proc/self/exe", path, sizeof path - 1) > 0;
    CHECK(local, 1);
    CHECK(realpath(argv0, real) != NULL, 1);
    CHECK(strcmp(path, real), 0);
    snprintf(by_id, sizeof by_id, "/proc/%d/exe", getpid());
    readlink(by_id, again, sizeof again - 1);
    CHECK(strcmp(path, again), 0);
    memset(again, 0, sizeof again);
    readlink("/proc/thread-self/exe", again, sizeof again - 1);
    CHECK(strcmp(path, again), 0);
    snprintf(by_id, sizeof by_id, "/proc/self/task/%d/exe", getpid());
    memset(again, 0, sizeof again);
    readlink(by_id, again, sizeof again - 1);
    CHECK(strcmp(path, again), 0);
    memset(again, 0, sizeof again);
    readlink("//proc/./self/../self//exe", again, sizeof again - 1);
    CHECK(strcmp(path, again), 0);
    CHECK(readlink("/proc/self/exe", again, 3), 3);
    CHECK_ERRNO(readlink("/proc/self/exe", again, 0), EINVAL);
    CHECK(stat(path, &named), 0);
    CHECK(stat("/proc/self/exe", &linked), 0);
    CHECK(lstat("/proc/self/exe", &link), 0);
    CHECK(linked.st_ino == named.st_ino && linked.st_dev == named.st_dev, 1);
    CHECK(S_ISLNK(link.st_mode), 1);
    CHECK(access("/proc/self/exe", X_OK), 0);
    char magic[20];
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(read(fd, magic, 20), 20);
#ifdef __aarch64__
    CHECK(magic[18], (char)183); /* EM_AARCH64 */
#else
    CHECK(magic[18], 62);
#endif
    close(fd);
    int directory = open("/proc/self", O_PATH | O_DIRECTORY);
    memset(again, 0, sizeof again);
    readlinkat(directory, "exe", again, sizeof again - 1);
    CHECK(strcmp(path, again), 0);
    close(directory);
    CHECK(realpath("/proc/self/exe", real) != NULL, 1);
    CHECK(strcmp(path, real), 0);
}

/* Others are seen as the programs that they are, too. */
static void exe_of_a_child(void)
{
    char path[64], mine[4096] = {0}, its[4096] = {0};
    struct stat own, other;
    readlink("/proc/self/exe", mine, sizeof mine - 1);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    CHECK(readlink(path, its, sizeof its - 1), strlen(mine));
    CHECK(strcmp(its, mine), 0);
    CHECK(stat(path, &other), 0);
    CHECK(stat(mine, &own), 0);
    CHECK(own.st_ino == other.st_ino && own.st_dev == other.st_dev, 1);
    CHECK(access("/proc/1073741823/exe", F_OK), -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void command_line_and_environment(int argc, char **argv)
{
    size_t size, at = 0;
    char *text = slurp("/proc/self/cmdline", &size);
    for (int i = 0; i < argc; i++) {
        CHECK(strcmp(text + at, argv[i]), 0);
        at += strlen(argv[i]) + 1;
    }
    CHECK(size, at);
    text = slurp("/proc/self/environ", &size);
    if (environ[0])
        CHECK(strncmp(text, environ[0], strlen(environ[0])), 0);
    text = slurp("/proc/self/comm", &size);
    const char *base = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    CHECK(strncmp(text, base, size - 1), 0);
}

static void auxiliary_vector(void)
{
    size_t size;
    unsigned long *auxv = (unsigned long *)slurp("/proc/self/auxv", &size);
    int seen = 0;
    for (size_t i = 0; i < size / 16 && auxv[2 * i]; i++) {
        if (auxv[2 * i] == AT_RANDOM || auxv[2 * i] == AT_ENTRY || auxv[2 * i] == AT_PHDR) {
            CHECK(auxv[2 * i + 1], getauxval(auxv[2 * i]));
            seen++;
        }
    }
    CHECK(seen, 3);
}

/* The number in kB of a row of smaps below the header that holds the address, or -1. */
static long smaps_row(void *address, const char *row)
{
    size_t size;
    char *smaps = slurp("/proc/self/smaps", &size);
    int here = 0;
    for (char *at = smaps; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        unsigned long from, to;
        if (sscanf(at, "%lx-%lx", &from, &to) == 2)
            here = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (here && !strncmp(at, row, strlen(row)))
            return atol(at + strlen(row));
    }
    return -1;
}

static void child_shares_dirty_pages(void *page)
{
    CHECK(smaps_row(page, "Shared_Dirty:"), 8);
    CHECK(smaps_row(page, "Private_Dirty:"), 0);
    *(char *)page = 2;
    CHECK(smaps_row(page, "Private_Dirty:"), 4);
}

static void smaps_count_pages(void)
{
    char *page = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
    mprotect(page - 4096, 4096, PROT_NONE);
    mprotect(page + 3 * 4096, 4096, PROT_NONE);
    page[0] = page[8192] = 1;
    CHECK(smaps_row(page, "Size:"), 12);
    CHECK(smaps_row(page, "Rss:"), 8);
    CHECK(smaps_row(page, "Private_Dirty:"), 8);
    CHECK(in_child(child_shares_dirty_pages, page), 0);
}

static int data = 1;

static void maps_show_the_program(void)
{
    size_t size;
    int local;
    char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *heap = sbrk(4096);
    mprotect(page + 4096, 4096, PROT_READ | PROT_EXEC);
    mprotect(page + 2 * 4096, 4096, PROT_NONE);
    char *maps = slurp("/proc/self/maps", &size);
    CHECK(strncmp(perms_of(line_of(maps, (void *)main)), "r-xp", 4), 0);
    CHECK(strncmp(perms_of(line_of(maps, &data)), "rw-p", 4), 0);
    CHECK(strncmp(perms_of(line_of(maps, page)), "rw-p", 4), 0);
    CHECK(strncmp(perms_of(line_of(maps, page + 4096)), "r-xp", 4), 0);
    CHECK(strncmp(perms_of(line_of(maps, page + 8192)), "---p", 4), 0);
    mprotect(page + 4096, 4096, PROT_EXEC);
    maps = slurp("/proc/self/maps", &size);
    CHECK(strncmp(perms_of(line_of(maps, page + 4096)), "--xp", 4), 0);
    char *line = line_of(maps, &local);
    CHECK(line && strstr(line, "[stack]"), 1);
    line = line_of(maps, heap);
    CHECK(line && strstr(line, "[heap]"), 1);
    char exe[4096] = {0};
    readlink("/proc/self/exe", exe, sizeof exe - 1);
    line = line_of(maps, (void *)main);
    CHECK(line && strstr(line, exe), 1);
    CHECK(strstr(maps, "xemu") && !strstr(exe, "xemu"), 0);
    for (char *at = maps; *at; at = strchr(at, '\n') + 1) { /* the kernel's column for the name */
        char *end = strchr(at, '\n'), *name = memchr(at, '/', end - at);
        if (name)
            CHECK(name - at, 73);
    }
    maps = slurp("/proc/self/smaps", &size);
    CHECK(maps && strstr(maps, "VmFlags:") != NULL, 1);
}

static void stat_has_our_addresses(void)
{
    size_t size;
    char *text = slurp("/proc/self/stat", &size), *field = strrchr(text, ')');
    unsigned long value[53] = {0};
    int pid = atoi(text), number = 3;
    for (field = strtok(field + 1, " "); field && number < 53; field = strtok(NULL, " "), number++)
        value[number] = strtoul(field, NULL, 10);
    CHECK(pid, getpid());
    CHECK(value[4], getppid());
    CHECK(value[26] <= (unsigned long)main && (unsigned long)main < value[27], 1);
    CHECK(value[28] > (unsigned long)&size, 1); /* start of the stack, above us */
    CHECK(value[45] <= (unsigned long)&data && (unsigned long)&data < value[46], 1);
    CHECK(value[48] < value[49] && value[50] <= value[51], 1);
    CHECK(number, 53);
}

static void cpuinfo_is_this_architectures(void)
{
    size_t size;
    char *text = slurp("/proc/cpuinfo", &size);
#ifdef __aarch64__
    CHECK(strstr(text, "CPU architecture: 8") != NULL, 1);
    CHECK(strstr(text, "Features\t:") != NULL, 1);
    CHECK(strstr(text, " fp asimd") != NULL, 1);
#endif
    CHECK(strncmp(text, "processor", 9), 0);
}

static void *in_a_thread(void *arg)
{
    char path[64], got[4096] = {0}, want[4096] = {0};
    snprintf(path, sizeof path, "/proc/%ld/exe", syscall(SYS_gettid));
    readlink(path, got, sizeof got - 1);
    readlink("/proc/self/exe", want, sizeof want - 1);
    CHECK(strcmp(got, want), 0);
    return NULL;
}

static void made_files_take_the_lowest_descriptor(void)
{
    int first = dup(0);
    close(first);
    int fd = open("/proc/self/maps", O_RDONLY);
    CHECK(fd, first);
    CHECK(fcntl(fd, F_GETFD), 0);
    CHECK_ERRNO(write(fd, "x", 1), EBADF);
    close(fd);
    CHECK_ERRNO(open("/proc/self/maps/x", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(open("/proc/self/nothing", O_RDONLY), ENOENT);
}

/* ---- ioctl(PROCMAP_QUERY), since Linux 6.11 ---- */

struct query {
    uint64_t size, flags, addr, start, end, vma_flags, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name_addr, build_id_addr;
};

static int ask(int fd, struct query *query, void *addr, uint64_t flags)
{
    char *name = (char *)query->name_addr;
    *query = (struct query){.size = sizeof *query, .addr = (uintptr_t)addr, .flags = flags};
    if (name) {
        query->name_addr = (uintptr_t)name;
        query->name_size = 256;
    }
    return ioctl(fd, 0xc0686611, query);
}

static void mappings_can_be_asked_for(void)
{
    char name[256] = "", program[256] = "";
    struct query query = {0};
    int fd = open("/proc/self/maps", O_RDONLY);
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_READ);
    munmap(pages + 8192, 4096);
    if (ask(fd, &query, pages, 0) < 0 && errno == ENOTTY) {
        close(fd);
        return; /* an older kernel */
    }
    CHECK(query.start, pages);
    CHECK(query.end, pages + 4096);
    CHECK(query.vma_flags, 1 | 2 | 8);
    CHECK(query.page_size, 4096);
    CHECK(ask(fd, &query, pages + 4097, 0), 0);
    CHECK(query.start, pages + 4096);
    CHECK(query.vma_flags, 1 | 8);
    CHECK_ERRNO(ask(fd, &query, pages + 4096, 2), ENOENT); /* writable */
    CHECK_ERRNO(ask(fd, &query, (void *)4096, 0), ENOENT);
    CHECK(ask(fd, &query, (void *)4096, 16), 0); /* or the next one */
    CHECK_ERRNO(ask(fd, &query, pages, 64), EINVAL);
    query.name_addr = (uintptr_t)name;
    CHECK(ask(fd, &query, main, 0), 0);
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0, 1);
    CHECK(strcmp(name, program), 0);
    CHECK(query.name_size, strlen(program) + 1);
    CHECK(query.inode != 0 && query.vma_flags == (1 | 4), 1);
    query.size = 8;
    CHECK_ERRNO(ioctl(fd, 0xc0686611, &query), EINVAL);
    CHECK_ERRNO(ioctl(fd, 0xc0686611, 8), EFAULT);
    munmap(pages, 8192);
    close(fd);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    exe_is_the_program(argv[0]);
    exe_of_a_child();
    command_line_and_environment(argc, argv);
    auxiliary_vector();
    maps_show_the_program();
    mappings_can_be_asked_for();
    smaps_count_pages();
    stat_has_our_addresses();
    cpuinfo_is_this_architectures();
    pthread_create(&thread, NULL, in_a_thread, NULL);
    pthread_join(thread, NULL);
    made_files_take_the_lowest_descriptor();
    return check_end();
}
