/* Reads and writes the files of binfmt_misc. */
#include "binfmt.h"
#include "commands.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static const long BINFMTFS = 0x42494e4d; /* BINFMTFS_MAGIC */
enum { LINE = 4096, HEADER = sizeof(Elf64_Ehdr) };

/* What a handler of ours must match. */
static const Elf64_Ehdr sample = {
    .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
    .e_type = ET_DYN,
    .e_machine = EM_AARCH64,
};

bool kernel_at_least(unsigned major, unsigned minor)
{
    struct utsname name;
    unsigned has_major = 0, has_minor = 0;
    if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &has_major, &has_minor) != 2)
        return false;
    return has_major > major || (has_major == major && has_minor >= minor);
}

/* C, which includes O, for setuid programs; F for containers, where no path leads to us; P for argv[0], of
 * which kernels tell since 5.12. */
const char *binfmt_best_flags(void) { return kernel_at_least(5, 12) ? "POCF" : "OCF"; }

bool binfmt_mounted(const char *place)
{
    struct statfs fs;
    return statfs(place, &fs) == 0 && fs.f_type == BINFMTFS;
}

static int open_in(const char *place, const char *name, int flags)
{
    char *path = text_of("%s/%s", place, name);
    int fd = open(path, flags | O_CLOEXEC);
    int error = errno;
    free(path);
    errno = error;
    return fd;
}

/* The file's text, cut to size - 1 bytes; false if it cannot be read. */
static bool read_file(const char *place, const char *name, char *text, size_t size)
{
    int fd = open_in(place, name, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static int write_file(const char *place, const char *name, const char *text)
{
    int fd = open_in(place, name, O_WRONLY);
    if (fd < 0)
        return -errno;
    int error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return error;
}

bool binfmt_enabled(const char *place)
{
    char text[32];
    return read_file(place, "status", text, sizeof text) && strncmp(text, "enabled", 7) == 0;
}

/* ---- entries ---- */

static size_t read_hex(const char *text, unsigned char *bytes, size_t room)
{
    size_t count = 0;
    unsigned byte;
    while (count < room && sscanf(text + 2 * count, "%2x", &byte) == 1)
        bytes[count++] = (unsigned char)byte;
    return count;
}

/* The rest of the line behind "key ", or null. */
static const char *find_line(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0)
            return line + length;
    }
    return NULL;
}

static bool matches_arm64(const char *text)
{
    unsigned char magic[128], mask[128];
    const char *magic_text = find_line(text, "magic "), *mask_text = find_line(text, "mask ");
    const char *offset_text = find_line(text, "offset ");
    size_t offset = offset_text ? strtoul(offset_text, NULL, 10) : 0;
    if (!magic_text)
        return false;
    size_t count = read_hex(magic_text, magic, sizeof magic);
    memset(mask, 0xff, sizeof mask);
    if (mask_text)
        read_hex(mask_text, mask, sizeof mask);
    /* Shorter than the machine's number it would be a handler for ELF files as such. */
    if (offset + count > HEADER || offset + count < offsetof(Elf64_Ehdr, e_machine) + sizeof sample.e_machine)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((magic[i] ^ ((const unsigned char *)&sample)[offset + i]) & mask[i])
            return false;
    return true;
}

static void copy_line(char *out, size_t size, const char *line)
{
    snprintf(out, size, "%.*s", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
}

static bool read_handler(const char *place, const char *name, struct handler *handler)
{
    char text[LINE + PATH_MAX];
    if (!read_file(place, name, text, sizeof text) || !matches_arm64(text))
        return false;
    snprintf(handler->name, sizeof handler->name, "%s", name);
    copy_line(handler->interpreter, sizeof handler->interpreter, find_line(text, "interpreter "));
    copy_line(handler->flags, sizeof handler->flags, find_line(text, "flags: "));
    handler->enabled = strncmp(text, "enabled", 7) == 0;
    return true;
}

size_t binfmt_handlers(const char *place, struct handler *handlers, size_t room)
{
    size_t count = 0;
    struct handler handler;
    DIR *directory = binfmt_mounted(place) ? opendir(place) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        bool control = !strcmp(entry->d_name, "register") || !strcmp(entry->d_name, "status");
        if (control || entry->d_name[0] == '.' || !read_handler(place, entry->d_name, &handler))
            continue;
        if (count < room)
            handlers[count] = handler;
        count++;
    }
    if (directory)
        closedir(directory);
    return count;
}

/* ---- changes ---- */

int binfmt_mount(const char *place)
{
    char *const modprobe[] = {"modprobe", "-q", "binfmt_misc", NULL};
    char output[8];
    if (binfmt_mounted(place))
        return 0;
    if (mount("binfmt_misc", place, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
        return 0;
    if (errno != ENODEV && errno != ENOENT)
        return -errno;
    run_program(modprobe, output, sizeof output); /* whether that helped the next line tells */
    return mount("binfmt_misc", place, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ? -errno : 0;
}

char *binfmt_line(const char *interpreter, const char *flags)
{
    return text_of(":%s:M:0:%s:%s:%s:%s", BINFMT_NAME, BINFMT_MAGIC, BINFMT_MASK, interpreter, flags);
}

int binfmt_unregister(const char *place, const char *name)
{
    if (strchr(name, '/') || !strcmp(name, "register") || !strcmp(name, "status"))
        return -ENOENT;
    return write_file(place, name, "-1");
}

static int register_line(const char *place, const char *interpreter, const char *flags)
{
    char *line = binfmt_line(interpreter, flags);
    int error = write_file(place, "register", line);
    free(line);
    return error;
}

int binfmt_register(const char *place, const char *interpreter, const char *flags)
{
    struct handler before;
    bool known = read_handler(place, BINFMT_NAME, &before);
    int error = binfmt_unregister(place, BINFMT_NAME);
    if (error && error != -ENOENT)
        return error;
    error = register_line(place, interpreter, flags);
    if (error && known)
        register_line(place, before.interpreter, before.flags);
    return error;
}

bool in_first_namespace(void)
{
    unsigned first = 1, outside = 1, count = 0;
    FILE *file = fopen("/proc/self/uid_map", "re");
    if (!file)
        return true;
    bool whole =
        fscanf(file, "%u %u %u", &first, &outside, &count) == 3 && !first && !outside && count == UINT_MAX;
    fclose(file);
    return whole;
}

/* ---- what to register ---- */

bool is_static_program(const char *path)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = false;
    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG))
        header.e_phnum = 0;
    for (unsigned i = 0; i < header.e_phnum; i++)
        if (pread(fd, &segment, sizeof segment, (off_t)(header.e_phoff + i * sizeof segment)) ==
            sizeof segment)
            found |= segment.p_type == PT_INTERP;
    if (fd >= 0)
        close(fd);
    return header.e_phnum && !found;
}

char *find_static_binary(const char *given, const char **why)
{
    char own[PATH_MAX];
    if (given) {
        char *path = realpath(given, NULL);
        *why = path ? "needs other files, which containers lack: name an xemu-static" : "is not there";
        return path && is_static_program(path) ? path : NULL;
    }
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 8);
    *why = "/proc is not mounted, so that xemu cannot find itself: name an xemu-static with --binary";
    if (length <= 0)
        return NULL;
    own[length] = '\0';
    if (is_static_program(own))
        return text_of("%s", own);
    strcat(own, "-static");
    *why = "there is no xemu-static beside xemu: install it, or name one with --binary";
    return is_static_program(own) ? text_of("%s", own) : NULL;
}
