/* Writes an ARM64 core file: an ELF header, the notes, and the guest's memory, as fs/binfmt_elf.c of the
 * kernel. */
#include "coredump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xemu/fault.h>

#include "proc.h"
#include "task.h"

enum { PAGE = 4096, CHUNK = 64 * PAGE };

/* ---- which memory ---- */

/* Bits of /proc/self/coredump_filter. */
enum {
    ANON_PRIVATE = 1 << 0,
    ANON_SHARED = 1 << 1,
    FILE_PRIVATE = 1 << 2,
    FILE_SHARED = 1 << 3,
    ELF_HEADERS = 1 << 4,
    HUGE_PRIVATE = 1 << 5,
    HUGE_SHARED = 1 << 6,
    FILTER_DEFAULT = ANON_PRIVATE | ANON_SHARED | ELF_HEADERS | HUGE_PRIVATE,
};

struct segment {
    Elf64_Phdr header;
    bool sparse; /* memory that was never touched is a hole: nobody but the program has filled it */
};
struct segments {
    struct segment *at;
    size_t count, room;
    unsigned filter;
    int error;
};

static uint64_t row_kb(const struct mapping *map, const char *name)
{
    const char *row = map->rows ? strstr(map->rows, name) : NULL;
    return row ? strtoull(row + strlen(name), NULL, 10) : 0;
}

static bool has_flag(const struct mapping *map, const char *flag)
{
    const char *row = map->rows ? strstr(map->rows, "VmFlags:") : NULL;
    const char *found = row ? strstr(row, flag) : NULL;
    return found && !memchr(row, '\n', (size_t)(found - row));
}

static bool starts_an_elf_file(const struct mapping *map)
{
    char magic[SELFMAG];
    return map->offset == 0 && !guest_copy_in(magic, map->start, SELFMAG) && !memcmp(magic, ELFMAG, SELFMAG);
}

/* How much of a mapping goes into the file: the rules of the kernel's vma_dump_size(). */
static uint64_t dump_size(const struct mapping *map, unsigned filter)
{
    uint64_t whole = map->end - map->start;
    bool shared = map->perms[3] == 's', written = row_kb(map, "\nAnonymous:") || row_kb(map, "\nSwap:");
    bool removed = !strcmp(map->name + (strlen(map->name) < 10 ? 0 : strlen(map->name) - 10), " (deleted)");
    if (map->start == guest_image.vdso)
        return whole;
    if (has_flag(map, " dd"))
        return 0;
    if (has_flag(map, " ht"))
        return filter & (shared ? HUGE_SHARED : HUGE_PRIVATE) ? whole : 0;
    if (has_flag(map, " io"))
        return 0;
    if (shared)
        return filter & (removed ? ANON_SHARED : FILE_SHARED) ? whole : 0;
    if ((written && (filter & ANON_PRIVATE)) || (map->inode && (filter & FILE_PRIVATE)))
        return whole;
    return map->inode && (filter & ELF_HEADERS) && starts_an_elf_file(map) ? PAGE : 0;
}

static void add_segment(const struct mapping *map, void *arg)
{
    struct segments *segments = arg;
    if (segments->count == segments->room) {
        size_t room = segments->room * 2 + 64;
        struct segment *bigger = realloc(segments->at, room * sizeof *bigger);
        if (!bigger) {
            segments->error = -ENOMEM;
            return;
        }
        segments->at = bigger;
        segments->room = room;
    }
    segments->at[segments->count++] = (struct segment){
        .header = {.p_type = PT_LOAD,
                   .p_flags = (map->perms[0] == 'r' ? PF_R : 0u) | (map->perms[1] == 'w' ? PF_W : 0u) |
                              (map->perms[2] == 'x' ? PF_X : 0u),
                   .p_vaddr = map->start,
                   .p_filesz = dump_size(map, segments->filter),
                   .p_memsz = map->end - map->start,
                   .p_align = PAGE},
        .sparse = !map->inode,
    };
}

static unsigned read_filter(void)
{
    char text[32] = "";
    int fd = open("/proc/self/coredump_filter", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return length > 0 ? (unsigned)strtoul(text, NULL, 16) : FILTER_DEFAULT;
}

/* ---- output ---- */

struct output {
    int fd, memory, pagemap; /* the file, /proc/self/mem and pagemap */
    uint64_t written, limit; /* bytes; holes count nothing */
    int error;               /* -EFBIG: cut at the limit */
};

static void put_at(struct output *out, uint64_t offset, const void *bytes, size_t count)
{
    const char *from = bytes;
    if (!out->error && count > out->limit - out->written)
        out->error = -EFBIG;
    while (count && !out->error) {
        ssize_t wrote = pwrite(out->fd, from, count, (off_t)offset);
        if (wrote <= 0) {
            out->error = wrote < 0 ? -errno : -EIO;
            break;
        }
        from += wrote;
        offset += (uint64_t)wrote;
        out->written += (uint64_t)wrote;
        count -= (size_t)wrote;
    }
}

/* Writes the pages of [start, end) that have content, end - start <= CHUNK. Unreadable ones, as behind the
 * end of a file, stay holes. */
static void put_pages(struct output *out, uint64_t offset, uint64_t start, uint64_t end, bool sparse)
{
    static char page[PAGE];
    uint64_t states[CHUNK / PAGE], pages = (end - start) / PAGE;
    bool known = pread(out->pagemap, states, pages * sizeof *states,
                       (off_t)(start / PAGE * sizeof *states)) == (ssize_t)(pages * sizeof *states);
    for (uint64_t i = 0; i < pages && !out->error; i++) {
        bool there = !sparse || !known || states[i] >> 62; /* present or swapped */
        if (there && pread(out->memory, page, PAGE, (off_t)(start + i * PAGE)) == PAGE)
            put_at(out, offset + i * PAGE, page, PAGE);
    }
}

static void put_segment(struct output *out, const struct segment *segment)
{
    uint64_t start = segment->header.p_vaddr, offset = segment->header.p_offset;
    for (uint64_t done = 0, step; done < segment->header.p_filesz && !out->error; done += step) {
        step = segment->header.p_filesz - done < CHUNK ? segment->header.p_filesz - done : CHUNK;
        put_pages(out, offset + done, start + done, start + done + step, segment->sparse);
    }
}

static void put_file(struct output *out, struct segments *segments, const struct text *notes)
{
    uint64_t behind_headers = sizeof(Elf64_Ehdr) + (segments->count + 1) * sizeof(Elf64_Phdr);
    Elf64_Phdr note = {
        .p_type = PT_NOTE, .p_offset = behind_headers, .p_filesz = notes->length, .p_align = 4};
    Elf64_Ehdr elf = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_AARCH64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof elf,
        .e_ehsize = sizeof elf,
        .e_phentsize = sizeof note,
        .e_phnum = (Elf64_Half)(segments->count + 1),
    };
    uint64_t at = (behind_headers + notes->length + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    put_at(out, 0, &elf, sizeof elf);
    put_at(out, sizeof elf, &note, sizeof note);
    for (size_t i = 0; i < segments->count; i++) {
        segments->at[i].header.p_offset = at;
        at += segments->at[i].header.p_filesz;
        put_at(out, sizeof elf + (i + 1) * sizeof note, &segments->at[i].header, sizeof note);
    }
    put_at(out, behind_headers, notes->at, notes->length);
    for (size_t i = 0; i < segments->count; i++)
        put_segment(out, &segments->at[i]);
    if (!out->error && ftruncate(out->fd, (off_t)at)) /* the last page may be a hole */
        out->error = -errno;
}

int core_write(int fd, const struct task *dying, const struct task *threads, const siginfo_t *info,
               uint64_t limit)
{
    struct text notes = {0};
    struct segments segments = {.filter = read_filter()};
    struct output out = {.fd = fd, .limit = limit};
    core_notes(&notes, dying, threads, info);
    int error = maps_visit(PROC_SMAPS, add_segment, &segments);
    if (!error)
        error = segments.error ? segments.error : notes.error;
    if (!error && segments.count >= PN_XNUM - 1)
        error = -E2BIG; /* more than the kernel allows a process by default */
    out.memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    out.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (!error && out.memory < 0)
        error = -errno;
    if (!error)
        put_file(&out, &segments, &notes);
    close(out.memory);
    close(out.pagemap);
    free(segments.at);
    free(notes.at);
    return error ? error : out.error;
}
