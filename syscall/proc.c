/* The files of /proc that would show xemu instead of the guest: which they are, and what they say. */
#include "proc.h"

#include <xemu/fault.h>
#include <xemu/features.h>
#include <xemu/loader.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "path.h"
#include "task.h"

/* ---- text ---- */

static bool text_room(struct text *text, size_t more)
{
    if (text->error || text->length + more < text->room)
        return !text->error;
    size_t room = (text->length + more) * 2 + 1024;
    char *bigger = realloc(text->at, room);
    if (!bigger) {
        text->error = -ENOMEM;
        return false;
    }
    text->at = bigger;
    text->room = room;
    return true;
}

void text_add_bytes(struct text *text, const void *bytes, size_t count)
{
    if (!text_room(text, count))
        return;
    memcpy(text->at + text->length, bytes, count);
    text->length += count;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char line[PATH_MAX + 256];
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length > 0)
        text_add_bytes(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* ---- which file ---- */

static const struct {
    const char *name;
    enum proc_file file;
} own_files[] = {
    {"exe", PROC_EXE},   {"maps", PROC_MAPS},       {"smaps", PROC_SMAPS}, {"cmdline", PROC_CMDLINE},
    {"auxv", PROC_AUXV}, {"environ", PROC_ENVIRON}, {"stat", PROC_STAT},   {"status", PROC_STATUS},
};

static enum proc_file own_file(const char *name)
{
    for (size_t i = 0; i < sizeof own_files / sizeof *own_files; i++) {
        if (!strcmp(own_files[i].name, name))
            return own_files[i].file;
    }
    return PROC_NONE;
}

/* Writes the absolute path without empty, "." and ".." parts. Links aren't looked at. */
static void normalise(char *out, size_t size, const char *path)
{
    size_t length = 0;
    while (*path) {
        while (*path == '/')
            path++;
        size_t part = strcspn(path, "/");
        if (part == 2 && !memcmp(path, "..", 2)) {
            while (length && out[--length] != '/')
                ;
        } else if (part && !(part == 1 && *path == '.') && length + part + 2 < size) {
            out[length++] = '/';
            memcpy(out + length, path, part);
            length += part;
        }
        path += part;
    }
    out[length] = '\0';
}

/* Eats "N/" if N is a thread of this process. */
static const char *skip_own_id(const char *path)
{
    char *end;
    long id = strtol(path, &end, 10);
    if (end == path || *end != '/' || *path == '+' || *path == '-')
        return NULL;
    bool ours = id == getpid() || host_raw(SYS_tgkill, (uint64_t)getpid(), (uint64_t)id, 0, 0) == 0;
    return ours ? end + 1 : NULL;
}

static const char *skip_word(const char *path, const char *word)
{
    size_t length = strlen(word);
    return strncmp(path, word, length) ? NULL : path + length;
}

/* The process of /proc/PID/exe, or 0. */
static pid_t pid_of_exe(const char *path)
{
    int pid = 0, length = 0;
    if (sscanf(path, "/proc/%d/exe%n", &pid, &length) < 1 || !length || path[length] || pid <= 0)
        return 0;
    return pid;
}

/* path is normalised and absolute. */
static enum proc_file match_absolute(const char *path)
{
    const char *rest = skip_word(path, "/proc/");
    if (!rest)
        return PROC_NONE;
    if (!strcmp(rest, "cpuinfo"))
        return PROC_CPUINFO;
    const char *inside = skip_word(rest, "self/");
    if (!inside)
        inside = skip_word(rest, "thread-self/");
    if (!inside)
        inside = skip_own_id(rest);
    const char *task = inside ? skip_word(inside, "task/") : NULL;
    if (task)
        inside = skip_own_id(task);
    if (!inside)
        return pid_of_exe(path) ? PROC_OTHER_EXE : PROC_NONE;
    return own_file(inside);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The directory that a relative path starts from. */
static bool base_directory(int dirfd, char *buffer, size_t size)
{
    char link[32] = "/proc/self/cwd";
    if (dirfd != AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t length = readlink(link, buffer, size - 1);
    if (length < 0)
        return false;
    buffer[length] = '\0';
    return strncmp(buffer, "/proc", 5) == 0;
}

/* The path, absolute and normalised; false if it doesn't lead into /proc. */
static bool whole_path(int dirfd, const char *path, char clean[PATH_MAX])
{
    char whole[2 * PATH_MAX];
    if (path[0] == '/') {
        if (!strstr(path, "proc"))
            return false;
        normalise(clean, PATH_MAX, path);
        return true;
    }
    if (!base_directory(dirfd, whole, PATH_MAX))
        return false;
    strcat(whole, "/");
    strcat(whole, path);
    normalise(clean, PATH_MAX, whole);
    return true;
}

enum proc_file proc_match(int dirfd, const char *path)
{
    char clean[PATH_MAX];
    const char *name = last_part(path);
    if (own_file(name) == PROC_NONE && strcmp(name, "cpuinfo")) /* nearly always */
        return PROC_NONE;
    return whole_path(dirfd, path, clean) ? match_absolute(clean) : PROC_NONE;
}

/* ---- other guests ---- */

static uint64_t vdso_of(pid_t pid)
{
    char path[32];
    Elf64_auxv_t auxv[64];
    snprintf(path, sizeof path, "/proc/%d/auxv", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, auxv, sizeof auxv);
    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < length / (ssize_t)sizeof *auxv; i++) {
        if (auxv[i].a_type == AT_SYSINFO_EHDR)
            return auxv[i].a_un.a_val;
    }
    return 0;
}

/* Every guest has the same vDSO, with the program's path behind it (loader/vdso.c). */
bool proc_other_exe(int dirfd, const char *path, char *buffer)
{
    char clean[PATH_MAX], page[VDSO_SIZE];
    if (!whole_path(dirfd, path, clean))
        return false;
    pid_t pid = pid_of_exe(clean);
    struct iovec here = {page, sizeof page}, there = {(void *)(uintptr_t)vdso_of(pid), sizeof page};
    if (!there.iov_base || process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof page ||
        memcmp(page, (void *)(uintptr_t)guest_image.vdso, VDSO_PATH) || !page[VDSO_PATH])
        return false;
    memcpy(buffer, page + VDSO_PATH, VDSO_SIZE - VDSO_PATH);
    return true;
}

/* ---- what they say ---- */

static void add_guest_range(struct text *text, uint64_t from, uint64_t to)
{
    char chunk[1024];
    while (from < to) {
        size_t count = to - from < sizeof chunk ? to - from : sizeof chunk;
        if (guest_copy_in(chunk, from, count))
            return;
        text_add_bytes(text, chunk, count);
        from += count;
    }
}

static void proc_cmdline(struct text *text, enum proc_file file)
{
    (void)file;
    add_guest_range(text, guest_image.arg_start, guest_image.arg_end);
}

static void proc_environ(struct text *text, enum proc_file file)
{
    (void)file;
    add_guest_range(text, guest_image.env_start, guest_image.env_end);
}

static void proc_auxv(struct text *text, enum proc_file file)
{
    (void)file;
    add_guest_range(text, guest_image.auxv, guest_image.auxv + guest_image.auxv_size);
}

static void proc_cpuinfo(struct text *text, enum proc_file file)
{
    (void)file;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t midr = cpu_midr();
    for (long i = 0; i < cpus; i++) {
        text_add(text, "processor\t: %ld\nBogoMIPS\t: 100.00\nFeatures\t:", i);
        const char *flag;
        for (unsigned n = 0; (flag = cpu_flag(n)); n++)
            text_add(text, " %s", flag);
        text_add(text, "\nCPU implementer\t: 0x%02x\nCPU architecture: 8\nCPU variant\t: 0x%x\n"
                       "CPU part\t: 0x%03x\nCPU revision\t: %u\n\n",
                 midr >> 24, midr >> 20 & 15, midr >> 4 & 0xfff, midr & 15);
    }
}

static void (*const makers[])(struct text *, enum proc_file) = {
    [PROC_MAPS] = proc_maps, [PROC_SMAPS] = proc_maps,      [PROC_CMDLINE] = proc_cmdline,
    [PROC_AUXV] = proc_auxv, [PROC_ENVIRON] = proc_environ, [PROC_CPUINFO] = proc_cpuinfo,
};

/* ---- opening ---- */

/* A descriptor that reads the text: read-only and without a name in the file system. */
static int64_t serve(const struct text *text, const char *name, uint64_t host_flags)
{
    char link[32];
    uint64_t cloexec = host_flags & O_CLOEXEC;
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (size_t done = 0; done < text->length;) {
        ssize_t wrote = pwrite(fd, text->at + done, text->length - done, (off_t)done);
        if (wrote <= 0) {
            close(fd);
            return -EIO;
        }
        done += (size_t)wrote;
    }
    /* Opened again the descriptor is read-only like the real file's; it takes the place of the first. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = open(link, O_RDONLY | O_CLOEXEC);
    if (again >= 0) {
        dup3(again, fd, O_CLOEXEC);
        close(again);
    }
    if (!cloexec)
        fcntl(fd, F_SETFD, 0);
    return fd;
}

int64_t proc_open(enum proc_file file, int dirfd, const char *path, uint64_t host_flags)
{
    struct text text = {0};
    char clean[PATH_MAX];
    if (!whole_path(dirfd, path, clean) || access(clean, F_OK))
        return -errno;
    if (file == PROC_STAT)
        proc_stat(&text, clean);
    else if (file == PROC_STATUS)
        proc_status(&text, clean);
    else
        makers[file](&text, file);
    int64_t result = text.error ? text.error : serve(&text, last_part(path), host_flags);
    free(text.at);
    return result;
}
